/* Goal: the configuration file: defaults, values, and every kind of error at its exact place.
 * Method: table rows of files and their errors (T1 to T3 of schema.h); files in a temporary folder for paths and
 * secrets. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define MODELS "providers: {p: {kind: openai, base_url: \"http://h\"}}\nmodels: {m: {deployments: [{provider: p}]}}\n"
#define LINES "\n\n" /* MODELS has two lines: what follows begins on line 3 */

TestSuite(conf, .init = fixture_folder, .fini = fixture_done);

Test(conf, defaults)
{
	struct conf *c = fixture_conf(MODELS);

	cr_expect_eq(c->n_listen, 1);
	cr_expect_str_eq(c->listen[0].host, "127.0.0.1");
	cr_expect_eq(c->listen[0].port, 8080);
	cr_expect_not(c->listen[0].tls);
	cr_expect_str_eq(c->control.host, "127.0.0.1");
	cr_expect_eq(c->control.port, 8081);
	cr_expect_str_eq(c->control_socket, "/run/tollgate/control.sock");
	cr_expect_eq(c->control_socket_mode, 0660);
	cr_expect_null(c->tls_cert_file);
	cr_expect_eq(c->workers, 0);
	cr_expect_null(c->user);
	cr_expect_str_eq(c->state_dir, "/var/lib/tollgate");
	cr_expect_str_eq(c->store_path, "/var/lib/tollgate/tollgate.db");
	cr_expect_null(c->policy_file);
	cr_expect_str_eq(c->log_format, "logfmt");
	cr_expect_str_eq(c->log_level, "info");
	cr_expect_not(c->kernel.enabled);
	cr_expect_str_eq(c->kernel.pin_dir, "/sys/fs/bpf/tollgate");
	cr_expect_eq(c->kernel.list_entries_max, 1000000);
	cr_expect_eq(c->kernel.net_sources_max, 65536);
	cr_expect_eq(c->kernel.flows_max, 65536);
	cr_expect_eq(c->http.connections_max, 20000);
	cr_expect_eq(c->http.connections_per_ip_max, 0);
	cr_expect_eq(c->http.head_bytes_max, 8192);
	cr_expect_eq(c->http.body_bytes_max, 16u << 20);
	cr_expect_eq(c->http.response_buffer_bytes, 65536);
	cr_expect_eq(c->http.idle_timeout_ms, 75000);
	cr_expect_eq(c->http.body_timeout_ms, 60000);
	cr_expect_eq(c->upstream.connect_timeout_ms, 5000);
	cr_expect_eq(c->upstream.first_byte_timeout_ms, 120000);
	cr_expect_eq(c->upstream.idle_timeout_ms, 120000);
	cr_expect_eq(c->upstream.total_timeout_ms, 600000);
	cr_expect_eq(c->upstream.pool_max, 20000);
	cr_expect_eq(c->upstream.pool_idle_ms, 60000);
	cr_expect_eq(c->stop_timeout_ms, 30000);
	cr_expect(c->billing.enabled);
	cr_expect_str_eq(c->billing.path, "/var/lib/tollgate/books.db");
	cr_expect_eq(c->billing.gather_us, 1000);
	cr_expect_eq(c->billing.holds_max, 65536);
	cr_expect_eq(c->billing.holds_sync_ms, 1000);
	cr_expect_eq(c->billing.hold_bytes_per_token, 1);
	cr_expect_eq(c->billing.drain_timeout_ms, 30000);
	cr_expect_eq(c->billing.drain_bytes_max, 4u << 20);
	cr_expect_eq(c->billing.commit_timeout_ms, 30000);
	cr_expect_eq(c->billing.idempotency_ttl_s, 86400);
	cr_expect_eq(c->billing.idempotency_bytes_max, 1u << 20);
	cr_expect_eq(c->billing.reconcile_interval_s, 3600);
	cr_expect_str_eq(c->providers[0].api_key, "");
	cr_expect_null(c->providers[0].ca_file);
	cr_expect_str_eq(c->models[0].owned_by, "tollgate");
	cr_expect_str_eq(c->models[0].deployments[0].upstream_model, "m");
	cr_expect_eq(c->models[0].deployments[0].weight, 1);
	cr_expect_eq(c->models[0].deployments[0].priority, 0);
	cr_expect_eq(c->models[0].deployments[0].concurrency, 0);
	conf_free(c);
}

Test(conf, values)
{
	struct conf *c =
		fixture_conf("listen:\n"
			     "  - {address: 10.0.0.1:80}\n"
			     "  - address: \"[fd00::1]:65535\"\n"
			     "control: {listen: \"[::1]:9\", socket: /x/y, socket_mode: 0600}\n"
			     "workers: 256\nuser: nobody\nstate_dir: /s\nlog: {format: json, level: error}\n"
			     "kernel:\n"
			     "  interfaces: [{name: eth0}, {name: lo, mode: generic}, {name: e1, mode: tc}, "
			     "{name: e2, mode: native}]\n"
			     "http: {body_bytes_max: 1048576, idle_timeout: 100ms}\n"
			     "billing: {enabled: off, path: /b/x.db, gather_window: 0s, holds_max: 1048576, "
			     "holds_sync: 0s, hold_bytes_per_token: 16,\n"
			     "  drain_timeout: 0s, drain_bytes: 0, commit_timeout: 100ms, idempotency_ttl: 30d, "
			     "idempotency_bytes: 1KiB, reconcile_interval: 0s}\n"
			     "stop_timeout: 1h\n"
			     "providers:\n"
			     "  a: {kind: openai, base_url: https://h.example/prefix/}\n"
			     "  b: {kind: openai, base_url: \"http://[::1]:1\"}\n"
			     "models:\n"
			     "  z: {owned_by: us, deployments: [{provider: b, model: up, weight: 1000, "
			     "priority: 100, concurrency: 64}, {provider: a}]}\n"
			     "  a/b: {deployments: [{provider: a}]}\n");
	const struct conf_model *z = conf_model_find(c, "z", 1);

	cr_expect_eq(c->n_listen, 2);
	cr_expect_str_eq(c->listen[1].host, "fd00::1");
	cr_expect_eq(c->listen[1].port, 65535);
	cr_expect_str_eq(c->control.host, "::1");
	cr_expect_eq(c->control_socket_mode, 0600);
	cr_expect_str_eq(c->store_path, "/s/tollgate.db");
	cr_expect(c->kernel.enabled, "interfaces enable the kernel program");
	cr_expect_eq(c->kernel.n_interfaces, 4);
	cr_expect_eq(c->kernel.interfaces[0].xdp_mode, CONF_XDP_AUTO);
	cr_expect_eq(c->kernel.interfaces[1].xdp_mode, CONF_XDP_GENERIC);
	cr_expect(c->kernel.interfaces[2].tc);
	cr_expect_eq(c->kernel.interfaces[2].xdp_mode, CONF_XDP_OFF);
	cr_expect_eq(c->kernel.interfaces[3].xdp_mode, CONF_XDP_NATIVE);
	cr_expect_not(c->kernel.interfaces[3].tc);
	cr_expect_eq(c->http.body_bytes_max, 1048576);
	cr_expect_eq(c->http.idle_timeout_ms, 100);
	cr_expect_eq(c->stop_timeout_ms, 3600000);
	cr_expect_not(c->billing.enabled);
	cr_expect_str_eq(c->billing.path, "/b/x.db");
	cr_expect_eq(c->billing.gather_us, 0);
	cr_expect_eq(c->billing.holds_max, 1048576);
	cr_expect_eq(c->billing.holds_sync_ms, 0);
	cr_expect_eq(c->billing.hold_bytes_per_token, 16);
	cr_expect_eq(c->billing.drain_timeout_ms, 0);
	cr_expect_eq(c->billing.drain_bytes_max, 0);
	cr_expect_eq(c->billing.commit_timeout_ms, 100);
	cr_expect_eq(c->billing.idempotency_ttl_s, 30 * 86400);
	cr_expect_eq(c->billing.idempotency_bytes_max, 1024);
	cr_expect_eq(c->billing.reconcile_interval_s, 0);
	cr_expect_str_eq(c->providers[0].base_url, "https://h.example/prefix", "no slash at the end");
	cr_assert_not_null(z);
	cr_expect_str_eq(z->owned_by, "us");
	cr_expect_eq(z->n_deployments, 2);
	cr_expect_str_eq(z->deployments[0].provider->name, "b");
	cr_expect_str_eq(z->deployments[0].upstream_model, "up");
	cr_expect_eq(z->deployments[0].weight, 1000);
	cr_expect_eq(z->deployments[0].priority, 100);
	cr_expect_eq(z->deployments[0].concurrency, 64);
	cr_expect_str_eq(z->deployments[1].upstream_model, "z");
	cr_expect_not_null(conf_model_find(c, "a/b!", 3));
	cr_expect_null(conf_model_find(c, "a/b!", 4));
	cr_expect_null(conf_model_find(c, "a", 1));
	cr_expect_null(conf_model_find(c, "", 0));
	conf_free(c);
}

Test(conf, sections_without_lines_are_empty)
{
	struct conf *c = fixture_conf(MODELS "kernel:\nhttp: ~\nlisten: []\ntls: {}\n");

	cr_expect_eq(c->n_listen, 1);
	cr_expect_eq(c->http.head_bytes_max, 8192);
	cr_expect_not(c->kernel.enabled);
	conf_free(c);
}

Test(conf, errors)
{
	static const struct error_row rows[] = {
		{"empty file", "", {"0:0: models: is missing: Public model names and the deployments behind them."}},
		{"only comments", "# nothing\n", {"0:0: models: is missing**"}},
		{"no mapping", "- a\n", {"1:1: : is a list; give a mapping: lines such as \"name: value\""}},
		{"a word", "hello\n", {"1:1: : is a single value; give a mapping**"}},
		{"missing models", "workers: 1\n", {"1:1: models: is missing**"}},
		{"unknown key, near",
		 MODELS "worker: 1\n",
		 {"3:1: worker: is not known here; did you mean \"workers\"?"}},
		{"unknown key, swapped",
		 MODELS "  \nlog: {elvel: info}\n",
		 {"4:7: log.elvel: is not known here; did you mean \"level\"?"}},
		{"unknown key, far",
		 MODELS "log: {zebra: 1}\n",
		 {"3:7: log.zebra: is not known here; known here: format, level"}},
		{"duplicate key",
		 MODELS "workers: 1\nworkers: 2\n",
		 {"4:1: : \"workers\" is given twice, first on line 3; keep one"}},
		{"duplicate key, nested",
		 MODELS "http: {connections_max: 1, head_bytes_max: 8KiB, connections_max: 2}\n",
		 {"3:50: http: \"connections_max\" is given twice, first on line 3; keep one"}},
		{"merge key",
		 MODELS "http:\n  <<: {connections_max: 1}\n",
		 {"4:3: http.<<: merge keys are not supported; write the values out"}},
		{"section is a value",
		 MODELS "http: 5\n",
		 {"3:7: http: is a single value; give a section with its own lines"}},
		{"section is a list",
		 MODELS "http: [5]\n",
		 {"3:7: http: is a list; give a section with its own lines"}},
		{"value is a mapping",
		 MODELS "workers: {a: b}\n",
		 {"3:10: workers: is a mapping; give a whole number"}},
		{"value is a list",
		 MODELS "log: {level: [a]}\n",
		 {"3:14: log.level: is a list; give one of its words"}},
		{"no value",
		 MODELS "workers:\n",
		 {"3:9: workers: has no value; give a whole number, or leave the line out for the default"}},
		{"not a number",
		 MODELS "workers: many\n",
		 {"3:10: workers: \"many\" is not a whole number; write digits only, such as 1000"}},
		{"negative", MODELS "workers: -1\n", {"3:10: workers: \"-1\" is not a whole number**"}},
		{"quoted number",
		 MODELS "workers: \"1\"\n",
		 {"3:10: workers: \"1\" is in quotes; write the number without"}},
		{"out of range", MODELS "workers: 257\n", {"3:10: workers: 257 is out of range; from 0 to 256"}},
		{"beyond 64 bits",
		 MODELS "workers: 99999999999999999999\n",
		 {"3:10: workers: 99999999999999999999 is out of range; from 0 to 256"}},
		{"size without sense",
		 MODELS "http: {head_bytes_max: 8kib}\n",
		 {"3:24: http.head_bytes_max: \"8kib\" is not a size; write bytes (65536)**"}},
		{"size out of range",
		 MODELS "http: {head_bytes_max: 1MiB}\n",
		 {"3:24: http.head_bytes_max: 1MiB is out of range; from 1KiB to 64KiB"}},
		{"duration without unit",
		 MODELS "stop_timeout: 30\n",
		 {"3:15: stop_timeout: \"30\" is not a duration; write a number with ns, us, ms, s, m, h or d, such as "
		  "60s"}},
		{"duration out of range",
		 MODELS "stop_timeout: 2h\n",
		 {"3:15: stop_timeout: 2h is out of range; from 0s to 1h"}},
		{"duration too fine",
		 MODELS "stop_timeout: 1500us\n",
		 {"3:15: stop_timeout: 1500us is finer than a millisecond; write whole milliseconds"}},
		{"bad choice, near",
		 MODELS "log: {level: inf}\n",
		 {"3:14: log.level: \"inf\" is none of its words; one of debug, info, warn, error; did you mean "
		  "\"info\"?"}},
		{"bad choice, far",
		 MODELS "log: {format: xml}\n",
		 {"3:15: log.format: \"xml\" is none of its words; one of logfmt, json"}},
		{"bad bool",
		 MODELS "listen: [{address: \"1.2.3.4:5\", tls: maybe}]\n",
		 {"3:38: listen[0].tls: \"maybe\" is neither true nor false (on, off, yes and no will do)"}},
		{"quoted bool",
		 MODELS "kernel: {enabled: \"true\", interfaces: [{name: lo}]}\n",
		 {"3:19: kernel.enabled: \"true\" is neither true nor false; write it without quotes"}},
		{"bad mode",
		 MODELS "control: {socket_mode: \"0888\"}\n",
		 {"3:24: control.socket_mode: \"0888\" is not a file mode; write octal digits such as \"0660\""}},
		{"mode out of range",
		 MODELS "control: {socket_mode: \"0070\"}\n",
		 {"3:24: control.socket_mode: 0070 is out of range; from 0600 to 0777"}},
		{"socket path too long",
		 MODELS "control: {socket: "
			"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaaaaa}\n",
		 {"3:19: control.socket: is 108 bytes long; at most 107"}},
		{"address: name",
		 MODELS "control: {listen: localhost:1}\n",
		 {"3:19: control.listen: \"localhost:1\" is no numeric address; names are not resolved here; write it "
		  "as 127.0.0.1:8080 or \"[::1]:8080\""}},
		{"address: no port",
		 MODELS "control: {listen: 127.0.0.1}\n",
		 {"3:19: control.listen: \"127.0.0.1\" needs an address and a port**"}},
		{"address: port 0",
		 MODELS "control: {listen: 127.0.0.1:0}\n",
		 {"3:19: control.listen: \"127.0.0.1:0\" has a bad port; from 1 to 65535**"}},
		{"address: IPv6 bare",
		 MODELS "control: {listen: \"::1:8080\"}\n",
		 {"3:19: control.listen: \"::1:8080\" has an IPv6 address without []**"}},
		{"listen: missing address",
		 MODELS "listen: [{tls: false}]\n",
		 {"3:10: listen[0].address: is missing**"}},
		{"listen: entry is text",
		 MODELS "listen:\n  - 127.0.0.1:8080\n",
		 {"4:5: listen[0]: is a single value; give a mapping such as {name: value}"}},
		{"listen: twice",
		 MODELS "listen: [{address: \"1.2.3.4:5\"}, {address: \"1.2.3.4:5\"}]\n",
		 {"3:34: listen: 1.2.3.4:5 is listed twice"}},
		{"listen: control's",
		 MODELS "listen: [{address: \"127.0.0.1:8081\"}]\n",
		 {"3:10: listen: 127.0.0.1:8081 is the control listener's address too"}},
		{"listen: TLS without certificate",
		 MODELS "listen: [{address: \"1.2.3.4:5\", tls: true}]\n",
		 {"3:10: listen: asks for TLS, but `tls` names no certificate and key"}},
		{"TLS: key missing",
		 MODELS "tls: {certificate: /dev/null}\n",
		 {"3:6: tls: has a certificate but no key; give both"}},
		{"TLS: no file",
		 MODELS "tls: {certificate: /nonexistent/a, key: /dev/null}\n",
		 {"3:20: tls.certificate: can't read /nonexistent/a: No such file or directory"}},
		{"kernel: no interface",
		 MODELS "kernel: {enabled: true}\n",
		 {"3:19: kernel.interfaces: is empty: name an interface such as {name: eth0}, or set enabled: false"}},
		{"kernel: interface twice",
		 MODELS "kernel: {interfaces: [{name: lo}, {name: lo}]}\n",
		 {"3:35: kernel.interfaces: lo is listed twice; one program per interface"}},
		{"kernel: long name",
		 MODELS "kernel: {interfaces: [{name: abcdefghijklmnop}]}\n",
		 {"3:30: kernel.interfaces[0].name: is 16 bytes long; at most 15"}},
		{"kernel: bad name",
		 MODELS "kernel: {interfaces: [{name: a/b}]}\n",
		 {"3:30: kernel.interfaces[0].name: is no interface name; `ip link` lists them"}},
		{"control character",
		 MODELS "user: \"a\\nb\"\n",
		 {"3:7: user: holds a control character or line end; give a text on one line"}},
		{"empty text", MODELS "user: \"\"\n", {"3:7: user: is empty; give a text, or leave the line out"}},
		{"NUL",
		 MODELS "user: \"a\\0b\"\n",
		 {"3:7: user: holds a NUL character (\\0), which no value here may"}},
	};

	fixture_error_rows(FIXTURE_CONF, rows, ARRAY_SIZE(rows));
}

Test(conf, gather_window_is_in_microseconds)
{
	struct conf *c = fixture_conf(MODELS "billing: {gather_window: 250us}\n");

	cr_expect_eq(c->billing.gather_us, 250);
	conf_free(c);
}

Test(conf, billing_errors)
{
	static const struct error_row rows[] = {
		{"unknown key",
		 MODELS "billing: {gather: 1ms}\n",
		 {"3:11: billing.gather: is not known here; known here: enabled, path, currency, gather_window**"}},
		{"unknown key, near",
		 MODELS "billing: {hold_max: 1}\n",
		 {"3:11: billing.hold_max: is not known here; did you mean \"holds_max\"?"}},
		{"window too long",
		 MODELS "billing: {gather_window: 101ms}\n",
		 {"3:26: billing.gather_window: 101ms is out of range; from 0s to 100ms"}},
		{"window too fine",
		 MODELS "billing: {gather_window: 1500ns}\n",
		 {"3:26: billing.gather_window: 1500ns is finer than a microsecond; write whole microseconds"}},
		{"no holds",
		 MODELS "billing: {holds_max: 0}\n",
		 {"3:22: billing.holds_max: 0 is out of range; from 1 to 1048576"}},
		{"bytes per token",
		 MODELS "billing: {hold_bytes_per_token: 17}\n",
		 {"3:33: billing.hold_bytes_per_token: 17 is out of range; from 1 to 16"}},
		{"no bytes per token",
		 MODELS "billing: {hold_bytes_per_token: 0}\n",
		 {"3:33: billing.hold_bytes_per_token: 0 is out of range; from 1 to 16"}},
		{"ttl too fine",
		 MODELS "billing: {idempotency_ttl: 1500ms}\n",
		 {"3:28: billing.idempotency_ttl: 1500ms is finer than a second; write whole seconds"}},
		{"ttl too long",
		 MODELS "billing: {idempotency_ttl: 31d}\n",
		 {"3:28: billing.idempotency_ttl: 31d is out of range; from 1s to 30d"}},
		{"ttl of nothing",
		 MODELS "billing: {idempotency_ttl: 0s}\n",
		 {"3:28: billing.idempotency_ttl: 0s is out of range; from 1s to 30d"}},
		{"no wait for the commit",
		 MODELS "billing: {commit_timeout: 99ms}\n",
		 {"3:27: billing.commit_timeout: 99ms is out of range; from 100ms to 1h"}},
		{"one file for both: by billing.path",
		 MODELS "state_dir: /s\nbilling: {path: /s/tollgate.db}\n",
		 {"4:17: billing.path: /s/tollgate.db is the file of both store and billing; give the books a file of "
		  "their "
		  "own"}},
		{"one file for both: by store.path",
		 MODELS "state_dir: /s\nstore: {path: /s/books.db}\n",
		 {"4:15: store.path: /s/books.db is the file of both store and billing**"}},
		{"concurrency",
		 "models: {m: {deployments: [{provider: p, concurrency: 1000001}]}}\nproviders: {p: {kind: openai, "
		 "base_url: \"http://h\"}}\n",
		 {"1:55: models.m.deployments[0].concurrency: 1000001 is out of range; from 0 to 1000000"}},
	};

	fixture_error_rows(FIXTURE_CONF, rows, ARRAY_SIZE(rows));
}

#define PROVIDER(fields) "models: {m: {deployments: [{provider: p}]}}\nproviders: {p: {" fields "}}\n"

Test(conf, provider_and_model_errors)
{
	static const struct error_row rows[] = {
		{"kind missing",
		 PROVIDER("base_url: \"http://h\""),
		 {"2:16: providers.p.kind: is missing: Which API the provider speaks."}},
		{"kind unknown",
		 PROVIDER("kind: opnai, base_url: \"http://h\""),
		 {"2:23: providers.p.kind: \"opnai\" is none of its words; one of openai, anthropic, gemini, azure; "
		  "did you mean \"openai\"?"}},
		{"URL: scheme",
		 PROVIDER("kind: openai, base_url: \"ftp://h\""),
		 {"2:41: providers.p.base_url: must begin with http:// or https://"}},
		{"URL: host",
		 PROVIDER("kind: openai, base_url: \"http:///x\""),
		 {"2:41: providers.p.base_url: has no host"}},
		{"URL: port",
		 PROVIDER("kind: openai, base_url: \"http://h:70000\""),
		 {"2:41: providers.p.base_url: has a bad port; from 1 to 65535"}},
		{"URL: password isn't shown",
		 PROVIDER("kind: openai, base_url: \"http://u:secret@h\""),
		 {"2:41: providers.p.base_url: must have no user or password; give the key by api_key"}},
		{"URL: query",
		 PROVIDER("kind: openai, base_url: \"http://h?a=b\""),
		 {"2:41: providers.p.base_url: must have no query or fragment**"}},
		{"URL: blank",
		 PROVIDER("kind: openai, base_url: \"http://h/a b\""),
		 {"2:41: providers.p.base_url: has a character that no URL has**"}},
		{"URL: IPv6",
		 PROVIDER("kind: openai, base_url: \"http://[::1\""),
		 {"2:41: providers.p.base_url: has an IPv6 address without \"]\""}},
		{"URL: /v1",
		 PROVIDER("kind: openai, base_url: \"https://h/v1/\""),
		 {"2:41: providers.p.base_url: ends in /v1, which is part of the API paths appended to it; leave it "
		  "out"}},
		{"key: literal isn't shown",
		 PROVIDER("kind: openai, base_url: \"http://h\", api_key: sk-abcdef"),
		 {"2:62: providers.p.api_key: must be env:NAME or file:PATH; a key does not belong in the "
		  "configuration itself (not shown here)"}},
		{"key: literal behind env:",
		 PROVIDER("kind: openai, base_url: \"http://h\", api_key: \"env:sk-abcdef\""),
		 {"2:62: providers.p.api_key: env: wants the name of an environment variable in capitals, such as "
		  "env:OPENAI_API_KEY"}},
		{"key: variable not set",
		 PROVIDER("kind: openai, base_url: \"http://h\", api_key: \"env:TG_TEST_UNSET\""),
		 {"2:62: providers.p.api_key: environment variable TG_TEST_UNSET is not set; set it, or use "
		  "file:PATH"}},
		{"key: no file",
		 PROVIDER("kind: openai, base_url: \"http://h\", api_key: \"file:/nonexistent/k\""),
		 {"2:62: providers.p.api_key: can't open /nonexistent/k: No such file or directory"}},
		{"key: no regular file",
		 PROVIDER("kind: openai, base_url: \"http://h\", api_key: \"file:/dev/null\""),
		 {"2:62: providers.p.api_key: /dev/null is not a regular file"}},
		{"provider's name",
		 "models: {m: {deployments: [{provider: A b}]}}\nproviders: {A b: {kind: openai, base_url: "
		 "\"http://h\"}}\n",
		 {"2:13: providers.A b: is no good name; 1 to 64 of a-z, 0-9, \"_\", \".\" and \"-\""}},
		{"provider unknown, near",
		 "models: {m: {deployments: [{provider: simm}]}}\nproviders: {sim: {kind: openai, base_url: "
		 "\"http://h\"}}\n",
		 {"1:39: models.m.deployments[0].provider: \"simm\" is not in `providers`; did you mean \"sim\"?"}},
		{"provider unknown, none",
		 "models: {m: {deployments: [{provider: x}]}}\n",
		 {"1:39: models.m.deployments[0].provider: \"x\" is not in `providers`; add it there"}},
		{"models empty", "models: {}\n", {"1:9: models: is empty; without a model nothing can be served"}},
		{"models without a value", "models:\n", {"1:8: models: is empty**"}},
		{"deployments missing", "models: {m: {owned_by: a}}\n", {"1:13: models.m.deployments: is missing**"}},
		{"deployments empty",
		 "models: {m: {deployments: []}}\n",
		 {"1:27: models.m.deployments: is empty; give at least one {provider: NAME}"}},
		{"model's name",
		 "models: {\"a b\": {deployments: [{provider: p}]}}\nproviders: {p: {kind: openai, base_url: "
		 "\"http://h\"}}\n",
		 {"1:10: models.a b: is no good model name; printable ASCII without blanks**"}},
		{"weight",
		 "models: {m: {deployments: [{provider: p, weight: 0}]}}\nproviders: {p: {kind: openai, base_url: "
		 "\"http://h\"}}\n",
		 {"1:50: models.m.deployments[0].weight: 0 is out of range; from 1 to 1000"}},
		{"all at once, in the file's order",
		 "models: {m: {deployments: [{provider: p, weight: 0}]}, n: 5}\nproviders: {p: {kind: x}}\nworkers: "
		 "1000\nlog: {levl: info}\n",
		 {"1:50: models.m.deployments[0].weight**", "1:59: models.n: is a single value**",
		  "2:16: providers.p.base_url: is missing**", "2:23: providers.p.kind**", "3:10: workers**",
		  "4:7: log.levl**"}},
	};

	fixture_error_rows(FIXTURE_CONF, rows, ARRAY_SIZE(rows));
}

/* T3, and paths relative to the file. */
Test(conf, secrets_and_paths)
{
	static const char text[] =
		"state_dir: state\npolicy: p.yaml\ntls: {certificate: c.pem, key: /dev/null}\n"
		"providers:\n"
		"  a: {kind: openai, base_url: \"http://h\", api_key: \"file:key\", ca_file: c.pem}\n"
		"  b: {kind: openai, base_url: \"http://h\", api_key: \"env:TG_TEST_KEY\"}\n"
		"models: {m: {deployments: [{provider: a}]}}\n";
	struct conf_errors errs = {0};
	struct conf *c = NULL;
	char want[200];

	fixture_write("conf.yaml", text, strlen(text));
	fixture_write("p.yaml", "version: 1\n", 11);
	fixture_write("c.pem", "x", 1);
	fixture_write("key", "sk-from-file\r\n", 14);
	setenv("TG_TEST_KEY", "sk-from-env", 1);
	cr_assert_eq(conf_load(fixture_path("conf.yaml"), &c, &errs), 0, "%s", errs.count ? errs.items[0].msg : "");
	cr_expect_str_eq(c->providers[0].api_key, "sk-from-file");
	cr_expect_str_eq(c->providers[1].api_key, "sk-from-env");
	snprintf(want, sizeof(want), "%s", fixture_path("state/tollgate.db"));
	cr_expect_str_eq(c->store_path, want);
	cr_expect_str_eq(c->policy_file, fixture_path("p.yaml"));
	cr_expect_str_eq(c->tls_cert_file, fixture_path("c.pem"));
	cr_expect_str_eq(c->tls_key_file, "/dev/null");
	cr_expect_str_eq(c->providers[0].ca_file, fixture_path("c.pem"));
	conf_free(c);
	conf_errors_done(&errs);
}

Test(conf, bad_secrets_are_not_shown)
{
	static const struct {
		const char *value, *want;
		size_t len;
	} rows[] = {
		{"hush hush", "holds a blank, control or non-ASCII character", 9},
		{"hush\x01", "holds a blank, control or non-ASCII character", 5},
		{"hush\xc3\xa9", "holds a blank, control or non-ASCII character", 6},
		{"hush\0hush", "holds a blank, control or non-ASCII character", 9},
		{"\n", "is empty", 1},
		{"", "is empty", 0},
	};
	static const char text[] = PROVIDER("kind: openai, base_url: \"http://h\", api_key: \"file:key\"");

	fixture_write("conf.yaml", text, strlen(text));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct conf_errors errs = {0};
		struct conf *c = NULL;

		fixture_write("key", rows[i].value, rows[i].len);
		cr_expect_eq(conf_load(fixture_path("conf.yaml"), &c, &errs), ERR_INVAL, "row %zu", i);
		cr_assert_eq(errs.count, 1, "row %zu", i);
		cr_expect(strstr(errs.items[0].msg, rows[i].want), "row %zu: %s", i, errs.items[0].msg);
		cr_expect_null(strstr(errs.items[0].msg, "hush"), "row %zu: %s", i, errs.items[0].msg);
		conf_errors_done(&errs);
	}
}

Test(conf, pasted_keys_are_not_shown)
{
	static const struct error_row rows[] = {
		{"as a key",
		 "models: {m: {deployments: [{provider: p}]}}\nproviders: {p: {kind: openai, base_url: \"http://h\", "
		 "sk-aaaaaaaaaaaaaaaaaaaaaaaa: 1}}\n",
		 {"2:53: providers.p.sk-...: is not known here**"}},
		{"as a value",
		 MODELS "log: {level: tg_live_aaaaaaaaaaaaaaaaaaaa}\n",
		 {"3:14: log.level: \"tg_live_...\" is none of its words**"}},
	};

	fixture_error_rows(FIXTURE_CONF, rows, ARRAY_SIZE(rows));
}

Test(conf, file_errors)
{
	struct conf_errors errs = {0};
	struct conf *c = NULL;
	struct buf out = BUF_INIT;

	cr_expect_eq(conf_load(fixture_path("absent.yaml"), &c, &errs), ERR_INVAL);
	cr_assert_eq(errs.count, 1);
	cr_expect_eq(errs.items[0].line, 0);
	cr_expect(strstr(errs.items[0].msg, "No such file"), "%s", errs.items[0].msg);
	conf_errors_print(&errs, "absent.yaml", &out);
	cr_expect(!strncmp(out.data, "absent.yaml: can't open ", 24), "no line for the file itself: %s", out.data);
	buf_done(&out);
	conf_errors_done(&errs);
	cr_expect_eq(conf_load("/", &c, &errs), ERR_INVAL, "a folder");
	cr_expect_eq(errs.count, 1);
	conf_errors_done(&errs);
	cr_assert_eq(mkfifo(fixture_path("fifo"), 0600), 0);
	cr_expect_eq(conf_load(fixture_path("fifo"), &c, &errs), ERR_INVAL, "a FIFO doesn't hang");
	conf_errors_done(&errs);
	cr_expect_null(c);
}
