/* What the books are made of, as values: accounts, transfers, usage records. */
#ifndef MODEL_BILLING_H
#define MODEL_BILLING_H

#include "model/money.h"
#include "model/tenant.h"
#include "model/usage.h"

#include <stdbool.h>
#include <stdint.h>

/* "req_" + 24 hex digits on the wire; the first six bytes are Unix milliseconds, so that ids sort by time. */
#define REQUEST_ID_BYTES 12
struct request_id {
	uint8_t b[REQUEST_ID_BYTES];
};

/* ---- accounts. Stored: append only. */
#define ACCOUNT_NAME_MAX 128
enum account_kind {
	ACCOUNT_TENANT,      /* what we owe a tenant in service: its prepaid balance; name = tenant id */
	ACCOUNT_CASH,        /* deposits come from here */
	ACCOUNT_REVENUE,     /* charges go here */
	ACCOUNT_COST,        /* provider cost of the calls */
	ACCOUNT_PAYABLE,     /* what we owe a provider; name = provider */
	ACCOUNT_ADJUSTMENTS, /* corrections by the operator, either way */
	ACCOUNT_SLA,         /* compensation (settlement) */
	ACCOUNT_KINDS,
};

struct account {
	int64_t id;
	enum account_kind kind;
	char name[ACCOUNT_NAME_MAX];
	int64_t credit_line_nano; /* tenants only: how far below zero the balance may go */
	int64_t balance_nano;     /* credits less debits */
	int64_t created_ms;
};

/* ---- transfers: each takes from one account and gives to another, so that the sum over all accounts is always zero.
 * Stored: append only. */
enum transfer_kind {
	TRANSFER_DEPOSIT,    /* cash -> tenant */
	TRANSFER_ADJUSTMENT, /* adjustments <-> tenant */
	TRANSFER_CHARGE,     /* tenant -> revenue: the price, up to the hold */
	TRANSFER_OVERAGE,    /* tenant -> revenue: the price above the hold */
	TRANSFER_COST,       /* cost -> payable */
	TRANSFER_REFUND,     /* revenue -> tenant: all or part of one call's price */
	TRANSFER_SLA_CREDIT, /* sla -> tenant */
	TRANSFER_KINDS,
};

struct transfer {
	int64_t id;
	int64_t time_ms; /* when posted; never runs back */
	enum transfer_kind kind;
	int64_t debit_account, credit_account;
	int64_t amount_nano; /* > 0 */
	int64_t usage_id;    /* the call's record; 0 = none */
	char actor[64], ref[128], note[160]; /* ref: the operator's own number; unique per account when not empty */
};

/* ---- one call. Each admitted and held call gets exactly one record. */
#define USAGE_FLAG_STREAM 1u
#define USAGE_FLAG_INCONSISTENT 2u /* the provider's total is not the sum of its parts; the parts count */
#define USAGE_FLAG_MALFORMED 4u    /* the provider's usage could not be read; an estimate stands in */
#define USAGE_FLAG_CLIENT_GONE 8u
#define USAGE_FLAG_BROKEN 16u /* the provider's answer broke off */
#define USAGE_FLAG_EXPIRED 32u /* the hold's time was over */

struct usage_record {
	int64_t id; /* of the store, in the order of posting; 0 = not stored */
	struct request_id request_id;
	int64_t account_id;
	int64_t rule_id; /* 0: no deployment was reached */
	char key_id[KEY_ID_MAX];
	unsigned route; /* enum tg_route */
	int64_t admitted_ms; /* Unix time */
	int64_t posted_ms;   /* set by the ledger: never runs back */
	struct usage usage;
	enum usage_source source;
	unsigned flags;
	int status; /* HTTP */
	int64_t hold_nano, cost_nano, price_nano;
	uint32_t latency_us;
	uint64_t bytes; /* to the client */
};

#endif
