/* Tenants and API keys as values. */
#ifndef MODEL_TENANT_H
#define MODEL_TENANT_H

#include <stdbool.h>
#include <stdint.h>

#define TENANT_ID_MAX 64  /* [a-z0-9][a-z0-9_-]*, NUL included in the size */
#define TENANT_NAME_MAX 128
#define KEY_ID_MAX 40     /* "key_" + 16 lower-case base32 characters */
#define KEY_NAME_MAX 128
#define KEY_TEXT_MAX 96   /* "tg_live_" + random part + check part */
#define KEY_HINT_MAX 24   /* "tg_live_ab12...wxyz": enough to recognise, too little to use */
#define KEY_HASH_LEN 32   /* HMAC-SHA256 under the installation's pepper */

#define TENANT_TIER_MAX 32
#define TENANT_TIER_DEFAULT "free"

enum tenant_status { TENANT_ACTIVE, TENANT_DISABLED };
enum key_status { KEY_ACTIVE, KEY_DISABLED };

struct tenant {
	char id[TENANT_ID_MAX];
	char name[TENANT_NAME_MAX];
	char tier[TENANT_TIER_MAX]; /* price tier, a name of the policy's prices.tiers */
	enum tenant_status status;
	uint32_t subject;     /* slot in the kernel's arrays, from 1; stable for the tenant's life */
	uint32_t incarnation; /* counts the slot's owners */
	int64_t created_ms;   /* Unix time */
};

struct api_key {
	char id[KEY_ID_MAX];
	char tenant_id[TENANT_ID_MAX];
	char name[KEY_NAME_MAX];
	char hint[KEY_HINT_MAX];
	uint8_t hash[KEY_HASH_LEN];
	enum key_status status;
	uint32_t subject;
	uint32_t incarnation;
	int64_t created_ms;
	int64_t expires_ms;   /* Unix time; 0 = never */
};

#endif
