/* Goal: prices of a policy (PP1 and PP2 of policy_prices.h): defaults, exact values, every broken rule at its place,
 * and differences. Method: table rows; exactness at the ends of each range and one step past them. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define V "version: 1\n"
#define P V "prices:\n"
#define NANO 1000000000ll
#define DAY_MS 86400000ll
#define MS_2026 1767225600000ll

static void expect_tier(const struct policy_prices *p, size_t i, const char *name, uint32_t margin_e4)
{
	cr_assert_lt(i, p->n_tiers);
	cr_expect_str_eq(p->tiers[i].name, name);
	cr_expect_eq(p->tiers[i].margin_e4, margin_e4, "%s: %u", name, p->tiers[i].margin_e4);
}

static void expect_model(const struct policy_prices *p, size_t i, const char *match, uint32_t factor_e4)
{
	cr_assert_lt(i, p->n_models);
	cr_expect_str_eq(p->models[i].match, match);
	cr_expect_eq(p->models[i].factor_e4, factor_e4, "%s: %u", match, p->models[i].factor_e4);
}

static void expect_defaults(const char *text)
{
	struct policy *policy = fixture_policy(text);
	const struct policy_prices *p = &policy->prices;

	cr_expect_str_eq(p->currency, "USD");
	cr_expect_eq(p->formula, POLICY_FORMULA_MARGIN);
	cr_expect_eq(p->base_margin_e4, 2500);
	cr_expect_eq(p->min_margin_e4, 1500);
	cr_expect_eq(p->max_margin_e4, 5000);
	cr_expect_eq(p->n_tiers, 3);
	expect_tier(p, 0, "enterprise", 4000);
	expect_tier(p, 1, "free", 1500);
	expect_tier(p, 2, "growth", 2500);
	cr_expect_eq(p->n_models, 4);
	expect_model(p, 0, "gpt-4*", 12000);
	expect_model(p, 1, "gpt-3.5*", 10000);
	expect_model(p, 2, "claude*", 11000);
	expect_model(p, 3, "qwen*|deepseek*|glm*|ernie*|doubao*|moonshot*|kimi*|hunyuan*|yi-*|baichuan*", 9000);
	cr_expect_eq(p->supply.factor_e4[POLICY_SURPLUS], 8000);
	cr_expect_eq(p->supply.factor_e4[POLICY_BALANCED], 10000);
	cr_expect_eq(p->supply.factor_e4[POLICY_SCARCE], 13000);
	cr_expect_eq(p->supply.pin, POLICY_MEASURED);
	cr_expect_eq(p->supply.surplus_below_e4, 3000);
	cr_expect_eq(p->supply.scarce_above_e4, 8000);
	cr_expect_eq(p->supply.hysteresis_e4, 500);
	cr_expect_eq(p->supply.window_ns, 60 * 1000000000ull);
	cr_expect_eq(p->n_costs, 0);
	policy_free(policy);
}

Test(prices, defaults)
{
	expect_defaults(V);
	expect_defaults(P);
	expect_defaults(V "prices: {margin: {}, supply: ~, costs: []}\n");
	expect_defaults(policy_default_text);
}

Test(prices, values)
{
	struct policy *policy = fixture_policy(
		P "  costs:\n"
		  "    - {provider: openai, model: gpt-4o, input: 2.5, output: 10, effective: 2026-01-01}\n"
		  "    - {output: 0, input: 0.000000001, model: \"*\", provider: \"a|b*\", cached_input: 1000000, "
		  "cache_write: 0}\n"
		  "  currency: EUR\n"
		  "  formula: multiplier\n"
		  "  margin: {max: 0.95, min: 0, base: 0.9499}\n"
		  "  tiers: {z: {margin: 100}, a_1-b: {}, m: ~, k: {margin: 0}}\n"
		  "  models: [{match: \"*\", factor: 0.01}]\n"
		  "  supply: {surplus: 0.0100, balanced: 100, scarce: 1.2345, pin: scarce, surplus_below: 0.3, "
		  "scarce_above: 0.5, hysteresis: 0.0999, window: 1500ms}\n");
	const struct policy_prices *p = &policy->prices;

	cr_expect_str_eq(p->currency, "EUR");
	cr_expect_eq(p->formula, POLICY_FORMULA_MULTIPLIER);
	cr_expect_eq(p->base_margin_e4, 9499);
	cr_expect_eq(p->min_margin_e4, 0);
	cr_expect_eq(p->max_margin_e4, 9500);
	cr_expect_eq(p->n_tiers, 4);
	expect_tier(p, 0, "a_1-b", 9499);
	expect_tier(p, 1, "k", 0);
	expect_tier(p, 2, "m", 9499);
	expect_tier(p, 3, "z", 1000000);
	cr_expect_eq(p->n_models, 1, "given ones replace the defaults");
	expect_model(p, 0, "*", 100);
	cr_expect_eq(p->supply.factor_e4[POLICY_SURPLUS], 100);
	cr_expect_eq(p->supply.factor_e4[POLICY_BALANCED], 1000000);
	cr_expect_eq(p->supply.factor_e4[POLICY_SCARCE], 12345);
	cr_expect_eq(p->supply.pin, POLICY_SCARCE);
	cr_expect_eq(p->supply.hysteresis_e4, 999);
	cr_expect_eq(p->supply.window_ns, 1500000000);
	cr_assert_eq(p->n_costs, 2);
	cr_expect_str_eq(p->costs[0].provider, "openai");
	cr_expect_str_eq(p->costs[0].model, "gpt-4o");
	cr_expect_eq(p->costs[0].input_nano, 2500000000);
	cr_expect_eq(p->costs[0].cached_input_nano, 2500000000, "as input");
	cr_expect_eq(p->costs[0].cache_write_nano, 2500000000, "as input");
	cr_expect_eq(p->costs[0].output_nano, 10 * NANO);
	cr_expect_eq(p->costs[0].effective_ms, MS_2026);
	cr_expect_eq(p->costs[1].input_nano, 1);
	cr_expect_eq(p->costs[1].cached_input_nano, 1000000 * NANO);
	cr_expect_eq(p->costs[1].cache_write_nano, 0, "a zero that is given is no default");
	cr_expect_eq(p->costs[1].output_nano, 0);
	cr_expect_eq(p->costs[1].effective_ms, 0);
	policy_free(policy);
}

Test(prices, no_model_factors)
{
	struct policy *p = fixture_policy(V "prices: {models: []}\n");

	cr_expect_eq(p->prices.n_models, 0);
	policy_free(p);
}

Test(prices, times)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{"1970-01-01", 0},
		{"1970-01-02", DAY_MS},
		{"1970-01-01T00:00:01Z", 1000},
		{"2026-01-01", MS_2026},
		{"2026-01-01T00:00:00Z", MS_2026},
		{"2026-12-31T23:59:59Z", MS_2026 + 365 * DAY_MS - 1000},
		{"2024-02-29", 1709164800000},
		{"2000-02-29T12:30:15Z", 951827415000},
		{"9999-12-31T23:59:59Z", 253402300799000},
		{"\"2026-01-01T00:00:00Z\"", MS_2026},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[200];
		struct policy *p;

		snprintf(text, sizeof(text),
			 P "  costs: [{provider: p, model: m, input: 1, output: 1, effective: %s}]\n", rows[i].text);
		p = fixture_policy(text);
		cr_expect_eq(p->prices.costs[0].effective_ms, rows[i].ms, "%s: %lld", rows[i].text,
			     (long long)p->prices.costs[0].effective_ms);
		policy_free(p);
	}
}

Test(prices, errors)
{
	static const struct error_row rows[] = {
		{"unknown key",
		 V "prices: {margins: {}}\n",
		 {"2:10: prices.margins: is not known here; did you mean \"margin\"?"}},
		{"unknown key, in a cost",
		 P "  costs: [{provider: p, model: m, input: 1, outputs: 1}]\n",
		 {"3:11: prices.costs[0].output: is missing: Per million tokens of the answer; 0 for embeddings.",
		  "3:45: prices.costs[0].outputs: is not known here; did you mean \"output\"?"}},
		{"currency: small letters",
		 V "prices: {currency: usd}\n",
		 {"2:20: prices.currency: \"usd\" is no currency; write its three capital letters, such as USD"}},
		{"currency: too long",
		 V "prices: {currency: EURO}\n",
		 {"2:20: prices.currency: \"EURO\" is no currency**"}},
		{"currency: digits",
		 V "prices: {currency: U5D}\n",
		 {"2:20: prices.currency: \"U5D\" is no currency**"}},
		{"currency: symbol", V "prices: {currency: $}\n", {"2:20: prices.currency: \"$\" is no currency**"}},
		{"currency: none",
		 V "prices: {currency: }\n",
		 {"2:20: prices.currency: has no value; give a currency such as USD**"}},
		{"formula",
		 V "prices: {formula: multiply}\n",
		 {"2:19: prices.formula: \"multiply\" is none of its words; one of margin, multiplier; did you mean "
		  "\"multiplier\"?"}},
		/* PP1 */
		{"base",
		 V "prices: {margin: {base: 0.9501}}\n",
		 {"2:25: prices.margin.base: 0.9501 is out of range; from 0 to 0.95"}},
		{"max",
		 V "prices: {margin: {max: 1}}\n",
		 {"2:24: prices.margin.max: 1 is out of range; from 0 to 0.95"}},
		{"max, and only one error for it",
		 V "prices: {margin: {min: 0.3, max: 2}}\n",
		 {"2:34: prices.margin.max: 2 is out of range; from 0 to 0.95"}},
		{"min above max",
		 V "prices: {margin: {max: 0.3, min: 0.4}}\n",
		 {"2:34: prices.margin.min: min 0.4 is above max 0.3; min may be at most max"}},
		{"default min above max",
		 V "prices: {margin: {max: 0.1499}}\n",
		 {"2:24: prices.margin.max: min 0.15 is above max 0.1499; min may be at most max"}},
		{"min above default max",
		 V "prices: {margin: {min: 0.6}}\n",
		 {"2:24: prices.margin.min: min 0.6 is above max 0.5; min may be at most max"}},
		{"tiers: empty",
		 V "prices: {tiers: {}}\n",
		 {"2:17: prices.tiers: is empty; give at least one, such as free: {margin: 0.15}"}},
		{"tiers: nothing", P "  tiers:\n", {"3:9: prices.tiers: is empty**"}},
		{"tier: name",
		 V "prices: {tiers: {Free: {}}}\n",
		 {"2:18: prices.tiers.Free: is no tier's name; 1 to 31 of a-z, 0-9, \"_\" and \"-\""}},
		{"tier: long name",
		 V "prices: {tiers: {aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: {}, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb: {}}}\n",
		 {"2:18: prices.tiers.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: is no tier's name**"}},
		{"tier: twice",
		 V "prices: {tiers: {free: {}, free: {margin: 0.2}}}\n",
		 {"2:28: prices.tiers: \"free\" is given twice, first on line 2; keep one"}},
		{"tier: a number",
		 V "prices: {tiers: {free: 0.15}}\n",
		 {"2:24: prices.tiers.free: is a single value; give a mapping such as {name: value}"}},
		/* PP1 */
		{"tier: margin",
		 V "prices: {tiers: {free: {margin: 0.9501}}}\n",
		 {"2:33: prices.tiers.free.margin: 0.9501 is out of range; from 0 to 0.95 (a factor above it goes with "
		  "formula: multiplier)"}},
		{"tier: factor",
		 V "prices: {formula: multiplier, tiers: {free: {margin: 100.0001}}}\n",
		 {"2:54: prices.tiers.free.margin: 100.0001 is out of range; from 0 to 100"}},
		{"model: match missing",
		 V "prices: {models: [{factor: 1}]}\n",
		 {"2:19: prices.models[0].match: is missing**"}},
		{"model: factor missing",
		 V "prices: {models: [{match: a}]}\n",
		 {"2:19: prices.models[0].factor: is missing**"}},
		{"model: factor too small",
		 V "prices: {models: [{match: a, factor: 0.0099}]}\n",
		 {"2:38: prices.models[0].factor: 0.0099 is out of range; from 0.01 to 100"}},
		{"model: factor too large",
		 V "prices: {models: [{match: a, factor: 100.0001}]}\n",
		 {"2:38: prices.models[0].factor: 100.0001 is out of range; from 0.01 to 100"}},
		{"model: empty pattern",
		 V "prices: {models: [{match: \"\", factor: 1}]}\n",
		 {"2:27: prices.models[0].match: is empty; give a text, or leave the line out"}},
		{"model: empty alternative, last",
		 V "prices: {models: [{match: \"a|\", factor: 1}]}\n",
		 {"2:27: prices.models[0].match: \"a|\" has an empty alternative beside \"|\"; leave that \"|\" out"}},
		{"model: empty alternative, first",
		 V "prices: {models: [{match: \"|a\", factor: 1}]}\n",
		 {"2:27: prices.models[0].match: \"|a\" has an empty alternative**"}},
		{"model: empty alternative, within",
		 V "prices: {models: [{match: \"a||b\", factor: 1}]}\n",
		 {"2:27: prices.models[0].match: \"a||b\" has an empty alternative**"}},
		{"model: blank",
		 V "prices: {models: [{match: \"a | b\", factor: 1}]}\n",
		 {"2:27: prices.models[0].match: \"a | b\" has a blank, which no name has; leave it out"}},
		{"model: not ASCII",
		 V "prices: {models: [{match: \"\u00e9*\", factor: 1}]}\n",
		 {"2:27: prices.models[0].match: \"\u00e9*\" has a character that no model's name has; printable ASCII "
		  "only"}},
		/* PP2 */
		{"model: behind another",
		 P "  models:\n    - {match: \"a|gpt-4*\", factor: 1}\n    - {match: b, factor: 1}\n    - {match: "
		   "\"gpt-4o*\", "
		   "factor: 2}\n",
		 {"6:7: prices.models[2]: \"gpt-4o*\" does nothing: the entry on line 4 matches all of it, and the "
		  "first "
		  "counts; put this one before that"}},
		{"model: twice",
		 P "  models:\n    - {match: a, factor: 1}\n    - {match: a, factor: 2}\n",
		 {"5:7: prices.models[1]: \"a\" does nothing: the entry on line 4 matches all of it**"}},
		{"supply: factor",
		 V "prices: {supply: {surplus: 0, scarce: 101}}\n",
		 {"2:28: prices.supply.surplus: 0 is out of range; from 0.01 to 100",
		  "2:39: prices.supply.scarce: 101 is out of range; from 0.01 to 100"}},
		{"supply: pin",
		 V "prices: {supply: {pin: scarse}}\n",
		 {"2:24: prices.supply.pin: \"scarse\" is none of its words; one of measured, surplus, balanced, "
		  "scarce; "
		  "did you mean \"scarce\"?"}},
		{"supply: bounds touch",
		 V "prices: {supply: {surplus_below: 0.4, scarce_above: 0.5, hysteresis: 0.05}}\n",
		 {"2:18: prices.supply: surplus_below + hysteresis has to be below scarce_above - hysteresis, else the "
		  "states "
		  "overlap; scarce_above has to be above 0.5 here"}},
		{"supply: bounds by hysteresis alone",
		 V "prices: {supply: {hysteresis: 0.25}}\n",
		 {"2:18: prices.supply: **scarce_above has to be above 0.8 here"}},
		{"supply: only one error",
		 V "prices: {supply: {scarce_above: 1.1}}\n",
		 {"2:33: prices.supply.scarce_above: 1.1 is out of range; from 0 to 1"}},
		{"supply: window",
		 V "prices: {supply: {window: 99ms}}\n",
		 {"2:27: prices.supply.window: 99ms is out of range; from 100ms to 1d"}},
		{"all at once, in the file's order",
		 P "  currency: dollars\n  costs:\n    - {provider: openai, input: -1, output: 1e-3, model: \"x|\"}\n"
		   "  tiers: {a: {margin: 0.00001}}\n  formul: x\n",
		 {"3:13: prices.currency**", "5:33: prices.costs[0].input**", "5:45: prices.costs[0].output**",
		  "5:58: prices.costs[0].model**", "6:23: prices.tiers.a.margin**",
		  "7:3: prices.formul: is not known here**"}},
	};

	fixture_error_rows(FIXTURE_POLICY, rows, ARRAY_SIZE(rows));
}

#define MARGIN(value) V "prices: {margin: {base: " value "}}\n"
#define COST(fields) P "  costs: [{provider: p, model: m, input: 1, output: 1, " fields "}]\n"
#define WRITE(value) P "  costs: [{provider: p, model: m, input: 1, output: 1, cache_write: " value "}]\n"

/* Numbers that are not exactly representable are refused, never rounded. */
Test(prices, decimals)
{
	static const struct error_row rows[] = {
		{"five decimals", MARGIN("0.00001"), {"2:25: prices.margin.base: 0.00001 has 5 decimals; at most 4"}},
		{"five decimals, zero at the end",
		 MARGIN("0.25000"),
		 {"2:25: prices.margin.base: 0.25000 has 5 decimals; at most 4"}},
		{"twenty decimals",
		 MARGIN("0.00000000000000000001"),
		 {"2:25: prices.margin.base: 0.00000000000000000001 has 20 decimals**"}},
		{"exponent",
		 MARGIN("1e-3"),
		 {"2:25: prices.margin.base: 1e-3 has an exponent; write the number out, such as 0.001"}},
		{"exponent, capital", MARGIN("1.5E+2"), {"2:25: prices.margin.base: 1.5E+2 has an exponent**"}},
		{"negative", MARGIN("-0.1"), {"2:25: prices.margin.base: -0.1 is negative; write 0 or more"}},
		{"negative zero", MARGIN("-0"), {"2:25: prices.margin.base: -0 is negative**"}},
		{"quotes",
		 MARGIN("\"0.1\""),
		 {"2:25: prices.margin.base: \"0.1\" is in quotes; write the number without"}},
		{"percent",
		 MARGIN("25%"),
		 {"2:25: prices.margin.base: \"25%\" is not a decimal number; write digits and a point, such as 0.25"}},
		{"comma", MARGIN("\'0,25\'"), {"2:25: prices.margin.base: \"0,25\" is in quotes**"}},
		{"no digit before the point",
		 MARGIN(".5"),
		 {"2:25: prices.margin.base: \".5\" is not a decimal number**"}},
		{"no digit behind it", MARGIN("0."), {"2:25: prices.margin.base: \"0.\" is not a decimal number**"}},
		{"two points", MARGIN("0.1.2"), {"2:25: prices.margin.base: \"0.1.2\" is not a decimal number**"}},
		{"plus", MARGIN("+0.1"), {"2:25: prices.margin.base: \"+0.1\" is not a decimal number**"}},
		{"underscore", MARGIN("1_0"), {"2:25: prices.margin.base: \"1_0\" is not a decimal number**"}},
		{"infinity", MARGIN(".inf"), {"2:25: prices.margin.base: \".inf\" is not a decimal number**"}},
		{"hexadecimal", MARGIN("0x1"), {"2:25: prices.margin.base: \"0x1\" is not a decimal number**"}},
		{"no value", MARGIN(""), {"2:25: prices.margin.base: has no value; give a number such as 0.25**"}},
		{"a list", MARGIN("[1]"), {"2:25: prices.margin.base: is a list; give a number such as 0.25"}},
		{"beyond 64 bits",
		 MARGIN("99999999999999999999"),
		 {"2:25: prices.margin.base: 99999999999999999999 is out of range; from 0 to 0.95"}},
		{"2^32 ten-thousandths and a half",
		 MARGIN("429496.7296"),
		 {"2:25: prices.margin.base: 429496.7296 is out of range**"}},
		{"rate: ten decimals",
		 WRITE("0.0000000001"),
		 {"3:69: prices.costs[0].cache_write: 0.0000000001 has 10 decimals; at most 9"}},
		{"rate: exponent", WRITE("1e6"), {"3:69: prices.costs[0].cache_write: 1e6 has an exponent**"}},
		{"rate: negative",
		 WRITE("-0.000000001"),
		 {"3:69: prices.costs[0].cache_write: -0.000000001 is negative; write 0 or more"}},
		{"rate: above a unit per token",
		 WRITE("1000000.000000001"),
		 {"3:69: prices.costs[0].cache_write: 1000000.000000001 is out of range; from 0 to 1000000"}},
		{"rate: beyond 64 bits",
		 WRITE("9223372036.854775808"),
		 {"3:69: prices.costs[0].cache_write: 9223372036.854775808 is out of range; from 0 to 1000000"}},
		{"rate: with its currency",
		 WRITE("1 USD"),
		 {"3:69: prices.costs[0].cache_write: \"1 USD\" is not a decimal number**"}},
	};

	fixture_error_rows(FIXTURE_POLICY, rows, ARRAY_SIZE(rows));
}

#define SINCE(value) P "  costs: [{provider: p, model: m, input: 1, output: 1, effective: " value "}]\n"

Test(prices, time_errors)
{
	static const struct error_row rows[] = {
		{"a word",
		 SINCE("tomorrow"),
		 {"3:67: prices.costs[0].effective: \"tomorrow\" is not a time; write it in UTC as "
		  "2026-01-01T00:00:00Z or "
		  "2026-01-01"}},
		{"another zone",
		 SINCE("2026-01-01T00:00:00+02:00"),
		 {"3:67: prices.costs[0].effective: \"2026-01-01T00:00:00+02:00\" is not a time**"}},
		{"no zone", SINCE("2026-01-01T00:00:00"), {"3:67: prices.costs[0].effective: **is not a time"}},
		{"a fraction", SINCE("2026-01-01T00:00:00.5Z"), {"3:67: prices.costs[0].effective: **is not a time"}},
		{"a blank", SINCE("2026-01-01 00:00:00Z"), {"3:67: prices.costs[0].effective: **is not a time"}},
		{"short", SINCE("2026-1-1"), {"3:67: prices.costs[0].effective: **is not a time"}},
		{"a number", SINCE("1767225600"), {"3:67: prices.costs[0].effective: **is not a time"}},
		{"February 30",
		 SINCE("2026-02-30"),
		 {"3:67: prices.costs[0].effective: 2026-02-30 is on no calendar or clock; check its day and hour"}},
		{"no leap year",
		 SINCE("2100-02-29"),
		 {"3:67: prices.costs[0].effective: 2100-02-29 is on no calendar**"}},
		{"month 13", SINCE("2026-13-01"), {"3:67: prices.costs[0].effective: 2026-13-01 is on no calendar**"}},
		{"day 0", SINCE("2026-01-00"), {"3:67: prices.costs[0].effective: 2026-01-00 is on no calendar**"}},
		{"hour 24",
		 SINCE("2026-01-01T24:00:00Z"),
		 {"3:67: prices.costs[0].effective: **on no calendar or clock"}},
		{"second 60",
		 SINCE("2026-12-31T23:59:60Z"),
		 {"3:67: prices.costs[0].effective: **on no calendar or clock"}},
		{"before 1970",
		 SINCE("1969-12-31T23:59:59Z"),
		 {"3:67: prices.costs[0].effective: 1969-12-31T23:59:59Z is out of range; from 1970-01-01T00:00:00Z to "
		  "9999-12-31T23:59:59Z"}},
		{"no value",
		 SINCE(""),
		 {"3:67: prices.costs[0].effective: has no value; give a time such as 2026-01-01T00:00:00Z**"}},
	};

	fixture_error_rows(FIXTURE_POLICY, rows, ARRAY_SIZE(rows));
}

#define ROW(provider, model, rest) "    - {provider: " provider ", model: \"" model "\", input: 1, output: 2" rest "}\n"

/* PP2 */
Test(prices, cost_errors)
{
	static const struct error_row rows[] = {
		{"missing fields",
		 P "  costs: [{}]\n",
		 {"3:11: prices.costs[0].provider: is missing: Pattern**", "3:11: prices.costs[0].model: is missing**",
		  "3:11: prices.costs[0].input: is missing**", "3:11: prices.costs[0].output: is missing**"}},
		{"no list", P "  costs: {provider: p}\n", {"3:10: prices.costs: is a mapping; give a list**"}},
		{"provider: capitals match nothing",
		 P "  costs:\n" ROW("OpenAI", "m", ""),
		 {"4:18: prices.costs[0].provider: \"OpenAI\" has a character that no provider's name has (a-z, 0-9, "
		  "\"_\", "
		  "\".\", \"-\")"}},
		{"provider: blank",
		 P "  costs:\n" ROW("a b", "m", ""),
		 {"4:18: prices.costs[0].provider: \"a b\" has a blank**"}},
		{"provider: empty alternative",
		 P "  costs:\n" ROW("\"a||b\"", "m", ""),
		 {"4:18: prices.costs[0].provider: \"a||b\" has an empty alternative**"}},
		{"model: empty",
		 P "  costs:\n" ROW("p", "", ""),
		 {"4:28: prices.costs[0].model: is empty; give a text, or leave the line out"}},
		{"twice, always",
		 P "  costs:\n" ROW("p", "m*", "") ROW("q", "m*", "") ROW("p", "m*", ""),
		 {"6:7: prices.costs[2]: \"m*\" has provider, model and effective time of the entry on line 4; keep "
		  "one, or give "
		  "them different times"}},
		{"twice at one time, written in two ways",
		 P "  costs:\n" ROW("p", "m", ", effective: 2026-01-01")
			 ROW("p", "m", ", effective: 2026-01-01T00:00:00Z"),
		 {"5:7: prices.costs[1]: \"m\" has provider, model and effective time of the entry on line 4**"}},
		{"the narrower behind the wider",
		 P "  costs:\n" ROW("openai", "gpt-4o*", "") ROW("openai", "gpt-4o-mini*", ""),
		 {"5:7: prices.costs[1]: \"gpt-4o-mini*\" does nothing: the entry on line 4 matches all of it, and the "
		  "first "
		  "counts; put this one before that"}},
		{"behind all",
		 P "  costs:\n" ROW("\"*\"", "*", "") ROW("p", "m", ", effective: 2027-01-01"),
		 {"5:7: prices.costs[1]: \"m\" does nothing**"}},
		{"one error each",
		 P "  costs:\n" ROW("p", "m", "") ROW("p", "m", ", effective: soon") ROW("p", "m", ""),
		 {"5:65: prices.costs[1].effective**", "6:7: prices.costs[2]: \"m\" has provider, model**"}},
	};

	fixture_error_rows(FIXTURE_POLICY, rows, ARRAY_SIZE(rows));
}

/* PP2 forbids no more than it says. */
Test(prices, costs_beside_each_other)
{
	static const char *const texts[] = {
		P "  costs:\n" ROW("p", "m", "") ROW("p", "m", ", effective: 2026-01-01")
			ROW("p", "m", ", effective: 2027-01-01"),
		P "  costs:\n" ROW("openai", "gpt-4o-mini*", "") ROW("openai", "gpt-4o*", ""),
		P "  costs:\n" ROW("a", "m*", "") ROW("\"a|b\"", "m*", "") ROW("b", "*", ""),
		/* Until the wider one holds, the narrower does. */
		P "  costs:\n" ROW("p", "*", ", effective: 2026-01-01") ROW("p", "m", ""),
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		policy_free(fixture_policy(texts[i]));
}

Test(prices, bounds)
{
	struct buf text = BUF_INIT;
	struct conf_errors errs = {0};
	struct policy *p = NULL;

	buf_puts(&text, P "  costs:\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "    - {provider: p, model: m%d, input: 1, output: 1}\n", i);
	cr_expect_eq(policy_parse(text.data, text.len, &p, &errs), 0, "%s", errs.count ? errs.items[0].msg : "");
	policy_free(p);
	buf_puts(&text, "    - {provider: p, model: m, input: 1, output: 1}\n");
	cr_expect_eq(policy_parse(text.data, text.len, &p, &errs), ERR_INVAL);
	cr_assert_eq(errs.count, 1);
	cr_expect_str_eq(errs.items[0].msg, "has 1001 entries; at most 1000");
	conf_errors_done(&errs);
	buf_done(&text);
}

static const struct {
	const char *name, *a, *b, *want;
} diff_rows[] = {
	{"words", V, V "prices: {currency: EUR, formula: multiplier, supply: {pin: balanced}}\n",
	 "prices.currency: USD -> EUR\nprices.formula: margin -> multiplier\nprices.supply.pin: measured -> "
	 "balanced\n"},
	{"margins", V, V "prices: {margin: {base: 0.3, min: 0.1, max: 0.95}}\n",
	 "prices.margin.base: 0.25 -> 0.3\nprices.margin.min: 0.15 -> 0.1\nprices.margin.max: 0.5 -> 0.95\n"},
	{"tiers", V, V "prices: {tiers: {free: {margin: 0.15}, growth: {margin: 0.3}, gold: {margin: 0.2}}}\n",
	 "prices.tiers: - enterprise: margin 0.4\nprices.tiers: + gold: margin 0.2\n"
	 "prices.tiers: growth: margin 0.25 -> 0.3\n"},
	{"models", V "prices: {models: [{match: a, factor: 1}, {match: b, factor: 2}, {match: c, factor: 3}]}\n",
	 V "prices: {models: [{match: d, factor: 4}, {match: a, factor: 1}, {match: c, factor: 3.5}]}\n",
	 "prices.models: - b: factor 2\nprices.models: + d: factor 4\nprices.models: c: factor 3 -> 3.5\n"},
	{"another order", V "prices: {models: [{match: a, factor: 1}, {match: \"b*\", factor: 2}]}\n",
	 V "prices: {models: [{match: \"b*\", factor: 2}, {match: a, factor: 1}]}\n",
	 "prices.models: another order, and the first match counts: b*, a\n"},
	{"supply", V,
	 V "prices: {supply: {surplus: 0.7, balanced: 1.1, scarce: 1.4, surplus_below: 0.2, scarce_above: 0.9, "
	   "hysteresis: 0.1, window: 5m}}\n",
	 "prices.supply.surplus: 0.8 -> 0.7\nprices.supply.balanced: 1 -> 1.1\nprices.supply.scarce: 1.3 -> 1.4\n"
	 "prices.supply.surplus_below: 0.3 -> 0.2\nprices.supply.scarce_above: 0.8 -> 0.9\n"
	 "prices.supply.hysteresis: 0.05 -> 0.1\nprices.supply.window: 60s -> 5m\n"},
	{"costs",
	 P "  costs:\n"
	   "    - {provider: openai, model: gpt-4o, input: 2.5, cached_input: 1, cache_write: 0, output: 10}\n"
	   "    - {provider: a, model: m, input: 1, output: 2, effective: 2026-01-01}\n"
	   "    - {provider: b, model: m, input: 1, output: 2}\n",
	 P
	 "  costs:\n"
	 "    - {provider: openai, model: gpt-4o, input: 2.6, cached_input: 1, cache_write: 0, output: 10.000000001}\n"
	 "    - {provider: a, model: m, input: 1.5, output: 2, effective: 2026-02-01T12:00:00Z}\n"
	 "    - {provider: b, model: m, input: 1, output: 2}\n",
	 "prices.costs: - a/m from 2026-01-01T00:00:00Z: input 1, cached_input 1, cache_write 1, output 2\n"
	 "prices.costs: openai/gpt-4o: input 2.5 -> 2.6, output 10 -> 10.000000001\n"
	 "prices.costs: + a/m from 2026-02-01T12:00:00Z: input 1.5, cached_input 1.5, cache_write 1.5, output 2\n"},
	{"from the built-in ones", V, V "prices: {models: []}\n",
	 "prices.models: - gpt-4*: factor 1.2\nprices.models: - gpt-3.5*: factor 1\nprices.models: - claude*: factor "
	 "1.1\n"
	 "prices.models: - qwen*|deepseek*|glm*|ernie*|doubao*|moonshot*|kimi*|hunyuan*|yi-*|baichuan*: factor 0.9\n"},
};

Test(prices, diff)
{
	for (size_t i = 0; i < ARRAY_SIZE(diff_rows); i++) {
		struct policy *a = fixture_policy(diff_rows[i].a), *b = fixture_policy(diff_rows[i].b);
		char *diff = fixture_diff(a, b), *none = fixture_diff(b, b);

		cr_expect_str_eq(diff, diff_rows[i].want, "%s: %s", diff_rows[i].name, diff);
		cr_expect_str_eq(none, "", "%s: %s", diff_rows[i].name, none);
		free(diff);
		free(none);
		policy_free(a);
		policy_free(b);
	}
}

Test(prices, long_diffs_are_counted)
{
	struct buf text = BUF_INIT;
	struct policy *a = fixture_policy(V), *b;
	char *diff;
	size_t lines = 0;

	buf_puts(&text, P "  costs:\n");
	for (int i = 0; i < 60; i++)
		buf_printf(&text, "    - {provider: p, model: m%d, input: 1, output: 1}\n", i);
	b = fixture_policy(text.data);
	diff = fixture_diff(a, b);
	for (const char *s = diff; (s = strchr(s, '\n')); s++)
		lines++;
	cr_expect_eq(lines, 51);
	cr_expect(strstr(diff, "/m49: input 1"), "%s", diff);
	cr_expect_null(strstr(diff, "/m50: input 1"), "%s", diff);
	cr_expect(strstr(diff, "\nprices.costs: 60 added, 0 removed, 0 changed in all (10 not shown)\n"), "%s", diff);
	free(diff);
	policy_free(a);
	policy_free(b);
	buf_done(&text);
}
