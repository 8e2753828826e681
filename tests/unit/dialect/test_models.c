/* Goal: each SDK finds its members in a list of models. Method: read with jansson as they read it (protocols.md). */
#include "dialect/dialect.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static json_t *object_of(enum tg_dialect d, const char *id)
{
	struct buf b = BUF_INIT;
	json_error_t err;
	json_t *root;

	cr_assert_eq(dialect_model_object(d, id, "tollgate", 1700000000, &b), 0);
	root = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, &err);
	cr_assert_not_null(root, "%s: %s", err.text, b.data);
	buf_done(&b);
	return root;
}

static const char *text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "(none)";
}

static void check_object(enum tg_dialect d, const json_t *o, const char *id)
{
	char name[64];

	snprintf(name, sizeof(name), "models/%s", id);
	if (d != TG_DIALECT_GEMINI) {
		cr_expect_str_eq(text(o, "id"), id);
		cr_expect_str_eq(text(o, "object"), "model");
		cr_expect_str_eq(text(o, "owned_by"), "tollgate");
		cr_expect_eq(json_integer_value(json_object_get(o, "created")), 1700000000);
	}
	if (d == TG_DIALECT_OPENAI || d == TG_DIALECT_ANTHROPIC) {
		cr_expect_str_eq(text(o, "type"), "model");
		cr_expect_str_eq(text(o, "display_name"), id);
		cr_expect_str_eq(text(o, "created_at"), "2023-11-14T22:13:20Z");
	}
	if (d != TG_DIALECT_AZURE)
		cr_expect_str_eq(text(o, "name"), name);
}

Test(models, objects)
{
	for (int d = 0; d < TG_DIALECT_COUNT; d++) {
		json_t *o = object_of((enum tg_dialect)d, "gpt-\"4");

		check_object((enum tg_dialect)d, o, "gpt-\"4");
		json_decref(o);
	}
}

Test(models, lists)
{
	static const struct dialect_model models[] = {{"a", "tollgate"}, {"b/c", "tollgate"}};

	for (int d = 0; d < TG_DIALECT_COUNT; d++)
		for (size_t n = 0; n <= ARRAY_SIZE(models); n++) {
			struct buf b = BUF_INIT;
			json_t *root, *list;

			cr_assert_eq(dialect_model_list((enum tg_dialect)d, models, n, 1700000000, &b), 0);
			root = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
			cr_assert_not_null(root, "%s", b.data);
			list = json_object_get(root, d == TG_DIALECT_GEMINI ? "models" : "data");
			cr_assert(json_is_array(list));
			cr_expect_eq(json_array_size(list), n);
			for (size_t i = 0; i < n; i++)
				check_object((enum tg_dialect)d, json_array_get(list, i), models[i].id);
			if (d == TG_DIALECT_OPENAI) { /* three dialects' clients read this one */
				cr_expect_eq(json_array_size(json_object_get(root, "models")), n);
				cr_expect(json_is_false(json_object_get(root, "has_more")));
				cr_expect(n ? !strcmp(text(root, "last_id"), models[n - 1].id)
					    : json_is_null(json_object_get(root, "last_id")));
			}
			json_decref(root);
			buf_done(&b);
		}
}

Test(models, no_room)
{
	static const struct dialect_model models[] = {{"a", "tollgate"}};
	struct buf b = {.max = 30};

	cr_expect_lt(dialect_model_list(TG_DIALECT_OPENAI, models, 1, 0, &b), 0);
	buf_done(&b);
}
