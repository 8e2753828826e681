# Tollgate. `make help` lists the targets. Everything built goes to $(BUILD).
BUILD ?= build
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)

VERSION := 0.1.0
WARN := -Wall -Wextra -Wconversion -Wshadow -Werror
OPT ?= -O2 -g
# SAN=address,undefined or SAN=thread
SAN ?=
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all,)
# Sanitizers need system calls that the daemon's seccomp filter refuses; only these builds leave it out.
SANDEF := $(if $(SAN),-DTOLLGATE_SANITIZED)
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=$(if $(SAN),0,2) -fPIE
CFLAGS := -std=gnu11 -D_GNU_SOURCE -DTOLLGATE_VERSION='"$(VERSION)"' $(OPT) $(WARN) $(HARDEN) $(SANFLAGS) $(SANDEF) -MMD -MP \
	-Iuser -Iinclude -I$(BUILD)/gen $(EXTRA_CFLAGS)
LDFLAGS := -pie -Wl,-z,relro,-z,now $(SANFLAGS) $(EXTRA_LDFLAGS)
LIBS := -lmicrohttpd -lyaml -lsqlite3 -ljansson -lssl -lcrypto -lbpf -lelf -lz -lcurl -lseccomp -lpthread -lm

BPF_CFLAGS := -target bpf -D__TARGET_ARCH_x86 -mcpu=v3 -O2 -g -Wall -Wextra -Werror -I. -Ibpf -Iinclude

# Rooms of the house, lowest floor first; each becomes an archive.
ROOMS := base model event crypto conf store price guard dialect upstream http kernel fetch observe ledger gateway admin
# Rooms that hold a program's main.
PROGRAMS := tollgated tollctl tollgate-sim
DIR_tollgated := daemon
DIR_tollctl := ctl
DIR_tollgate-sim := sim

objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard user/$(1)/*.c))
ARCHIVES := $(foreach r,$(ROOMS),$(if $(wildcard user/$(r)/*.c),$(BUILD)/lib/$(r).a))

.PHONY: all binaries help deps run test bench unit kernel-tests thread-tests tools sanitized sanitize check format clean docs fuzz fuzz-bins \
	clang-build install
.DEFAULT_GOAL := all
# A fresh machine gets its packages before anything else is looked at.
SKEL := $(BUILD)/gen/tollgate.skel.h

all: deps ## set up and build everything
	@$(MAKE) --no-print-directory binaries

binaries: $(foreach p,$(PROGRAMS),$(if $(wildcard user/$(DIR_$(p))/*.c),$(BUILD)/$(p)))

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps:
	@scripts/deps.sh build

# ---- kernel program
$(BUILD)/bpf/tollgate.bpf.o: bpf/tollgate.bpf.c vmlinux.h $(wildcard bpf/*.h include/tollgate/*.h)
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@.tmp
	@llvm-strip -g $@.tmp 2>/dev/null || true
	@mv $@.tmp $@

$(SKEL): $(BUILD)/bpf/tollgate.bpf.o
	@mkdir -p $(@D)
	$(BPFTOOL) gen skeleton $< name tollgate_bpf >$@.tmp
	@mv $@.tmp $@

# ---- user space
$(call objs,kernel): $(SKEL)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c $< -o $@

define room_archive
$(BUILD)/lib/$(1).a: $(call objs,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	@ar rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room_archive,$(r))))

define program
$(BUILD)/$(1): $(call objs,$(DIR_$(1))) $(ARCHIVES)
	$(CC) $(LDFLAGS) -o $$@ $(call objs,$(DIR_$(1))) -Wl,--start-group $(ARCHIVES) -Wl,--end-group $(LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# ---- unit tests: tests/unit/ROOM/*.c become one Criterion program for the room
UNIT_ROOMS := $(notdir $(patsubst %/,%,$(wildcard tests/unit/*/)))
UNIT_BINS := $(foreach r,$(UNIT_ROOMS),$(if $(wildcard tests/unit/$(r)/*.c),$(BUILD)/unit/$(r)))

# A room's test links the archives of its own and of lower floors; the linker takes what is used.
define unit_program
$(BUILD)/unit/$(1): $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/unit/$(1)/*.c)) $(UNIT_ARCHIVES_$(1))
	@mkdir -p $$(@D)
	$(CC) $(LDFLAGS) -o $$@ $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/unit/$(1)/*.c)) \
		-Wl,--start-group $$(UNIT_ARCHIVES_$(1)) -Wl,--end-group $(LIBS) $(UNIT_LIBS_$(1)) -lcriterion
endef
# What only a room's tests need.
UNIT_LIBS_price := -lgmp
LOWER_base := base
LOWER_shared := base
LOWER_model := base model
LOWER_event := base event
LOWER_crypto := base model crypto
LOWER_conf := base model conf
LOWER_store := base model store
LOWER_price := base model price
LOWER_guard := base model guard
LOWER_dialect := base model dialect
LOWER_upstream := base event upstream
LOWER_http := base event http
LOWER_kernel := base kernel
LOWER_fetch := base fetch
LOWER_observe := base model observe
LOWER_ledger := base model event crypto store price ledger
LOWER_gateway := base model event crypto conf store price guard dialect upstream http kernel fetch observe ledger gateway
LOWER_admin := $(LOWER_gateway) admin
$(foreach r,$(UNIT_ROOMS),$(eval UNIT_ARCHIVES_$(r) := $(foreach l,$(LOWER_$(r)),$(if $(wildcard user/$(l)/*.c),$(BUILD)/lib/$(l).a))))
$(foreach r,$(UNIT_ROOMS),$(eval $(call unit_program,$(r))))

unit: $(UNIT_BINS)

# ---- threaded unit tests, and more of their kind in tests/tsan, for ThreadSanitizer: with main of tests/tsan/shim
# instead of Criterion's (built with SAN=thread). The daemon's part is tests/tsan/daemon.test.
TSAN_ROOMS := shared guard observe event upstream ledger
# Finance's side of the books has one thread.
TSAN_SKIP := tests/unit/ledger/test_books%.c
tsan_sources = $(filter-out $(TSAN_SKIP),$(wildcard tests/unit/$(1)/*.c)) $(wildcard tests/tsan/$(1)_*.c) tests/tsan/shim/shim.c
SHIM_OBJ = $(patsubst %.c,$(BUILD)/shim/%.o,$(1))
$(BUILD)/shim/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -Itests/tsan/shim -c $< -o $@
define tsan_program
$(BUILD)/threads/$(1): $(call SHIM_OBJ,$(call tsan_sources,$(1))) $(UNIT_ARCHIVES_$(1))
	@mkdir -p $$(@D)
	$(CC) $(LDFLAGS) -o $$@ $(call SHIM_OBJ,$(call tsan_sources,$(1))) \
		-Wl,--start-group $$(UNIT_ARCHIVES_$(1)) -Wl,--end-group $(LIBS)
endef
$(foreach r,$(TSAN_ROOMS),$(eval $(call tsan_program,$(r))))
thread-tests: $(foreach r,$(TSAN_ROOMS),$(BUILD)/threads/$(r))

# ---- kernel tests: the room's (room_*.c) and the program's (the rest); bench_*.c are benchmarks
KT_OBJ = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
KT_ROOM := $(wildcard tests/kernel/room_*.c)
KT_PROG := $(filter-out $(KT_ROOM) $(wildcard tests/kernel/bench_*.c),$(wildcard tests/kernel/*.c))
KT_ARCHIVES := $(foreach l,base kernel,$(if $(wildcard user/$(l)/*.c),$(BUILD)/lib/$(l).a))
$(call KT_OBJ,$(wildcard tests/kernel/*.c)): $(SKEL)
$(BUILD)/kernel/room: $(call KT_OBJ,$(KT_ROOM)) $(KT_ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(call KT_OBJ,$(KT_ROOM)) -Wl,--start-group $(KT_ARCHIVES) -Wl,--end-group $(LIBS) -lcriterion
$(BUILD)/kernel/program: $(call KT_OBJ,$(KT_PROG)) $(KT_ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(call KT_OBJ,$(KT_PROG)) -Wl,--start-group $(KT_ARCHIVES) -Wl,--end-group $(LIBS) -lcriterion
KERNEL_BINS := $(if $(KT_ROOM),$(BUILD)/kernel/room) $(if $(KT_PROG),$(BUILD)/kernel/program)
kernel-tests: $(KERNEL_BINS)

# ---- benchmark and test helpers: tests/{bench,system}/NAME.c and tests/kernel/bench_NAME.c, one program each
TOOL_SRCS := $(filter-out %.bpf.c,$(wildcard tests/bench/*.c tests/system/*.c tests/kernel/bench_*.c))
TOOLS := $(foreach s,$(TOOL_SRCS),$(BUILD)/tools/$(basename $(notdir $(s))))
TOOL_ARCHIVES_ledger := $(foreach l,$(LOWER_ledger),$(if $(wildcard user/$(l)/*.c),$(BUILD)/lib/$(l).a))
TOOL_ARCHIVES_books := $(TOOL_ARCHIVES_ledger)
tool_archives = $(or $(TOOL_ARCHIVES_$(basename $(notdir $(1)))),$(KT_ARCHIVES))
define tool_program
$(BUILD)/tools/$(basename $(notdir $(1))): $(BUILD)/obj/$(basename $(1)).o $(call tool_archives,$(1))
	@mkdir -p $$(@D)
	$(CC) $(LDFLAGS) -o $$@ $$< -Wl,--start-group $(call tool_archives,$(1)) -Wl,--end-group $(LIBS)
endef
$(foreach s,$(TOOL_SRCS),$(eval $(call tool_program,$(s))))
$(BUILD)/bpf/xdp_pass.bpf.o: tests/system/xdp_pass.bpf.c vmlinux.h
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@
tools: $(TOOLS) $(BUILD)/bpf/xdp_pass.bpf.o

# ---- what people call
run: deps ## set up, build, and run a working gateway with a demo tenant and key
	@$(MAKE) --no-print-directory binaries
	@BUILD=$(BUILD) scripts/run-demo.sh

# As many jobs as cores, unless the caller said how many.
PARALLEL = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

test: ## set up, build, and run every test, real kernel included
	@scripts/deps.sh test
	@$(MAKE) $(PARALLEL) --no-print-directory binaries unit kernel-tests tools
	@$(MAKE) --no-print-directory sanitized clang-build
	@BUILD=$(BUILD) python3 scripts/run-tests.py

bench: ## side-by-side benchmarks; writes build/bench.json and prints a table
	@scripts/deps.sh bench
	@$(MAKE) --no-print-directory binaries tools
	@BUILD=$(BUILD) python3 tests/bench/run.py

sanitized: # what the runner's kinds asan and tsan need
	@$(MAKE) $(PARALLEL) --no-print-directory BUILD=$(BUILD)/san SAN=address,undefined OPT="-O1 -g" binaries unit tools
	@$(MAKE) $(PARALLEL) --no-print-directory BUILD=$(BUILD)/tsan SAN=thread OPT="-O1 -g" binaries thread-tests tools

sanitize: ## unit tests and the daemon under ASan and UBSan, and under TSan
	@scripts/deps.sh test
	@$(MAKE) --no-print-directory sanitized
	@BUILD=$(BUILD) python3 scripts/run-tests.py --only asan --only tsan

clang-build: ## compile everything with clang too
	@$(MAKE) $(PARALLEL) --no-print-directory BUILD=$(BUILD)/clang CC=clang binaries unit kernel-tests tools

check: ## include directions, formatting of the house
	@python3 scripts/check-layers.py

docs: binaries ## regenerate reference, man page and completion from the tables
	@$(BUILD)/tollgated --reference >docs/configuration.md
	@$(BUILD)/tollctl man >deploy/man/tollctl.1
	@$(BUILD)/tollctl completion bash >deploy/completion/tollctl.bash

# A fuzz target is tests/fuzz/NAME_fuzz.c; FUZZ_SECONDS each.
FUZZ_SECONDS ?= 60
FUZZ_SRCS := $(wildcard tests/fuzz/*_fuzz.c)
FUZZ_ROOMS := base model event crypto conf store price guard dialect upstream http ledger
fuzz: ## run the fuzz targets (clang's libFuzzer), FUZZ_SECONDS each
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang OPT="-O1 -g" EXTRA_CFLAGS=-fsanitize=fuzzer-no-link SAN=address,undefined fuzz-bins
	@for f in $(FUZZ_SRCS); do n=$$(basename $$f .c); echo "fuzz: $$n"; mkdir -p $(BUILD)/fuzz/corpus/$$n; \
		$(BUILD)/fuzz/$$n -max_total_time=$(FUZZ_SECONDS) -print_final_stats=0 -verbosity=0 $(BUILD)/fuzz/corpus/$$n || exit 1; done
FUZZ_ARCHIVES := $(foreach r,$(FUZZ_ROOMS),$(if $(wildcard user/$(r)/*.c),$(BUILD)/lib/$(r).a))
fuzz-bins: $(foreach f,$(FUZZ_SRCS),$(BUILD)/$(basename $(notdir $(f))))
$(BUILD)/%_fuzz: $(BUILD)/obj/tests/fuzz/%_fuzz.o $(FUZZ_ARCHIVES)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< -Wl,--start-group $(FUZZ_ARCHIVES) -Wl,--end-group $(LIBS)

format: ## clang-format over our C sources
	@clang-format -i $$(git ls-files 'user/*.[ch]' 'include/*.h' 'bpf/*.[ch]' 'tests/*.[ch]')

PREFIX ?= /usr/local
install: all ## install programs, units and examples (root)
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/sbin $(BUILD)/tollgated
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin $(BUILD)/tollctl $(BUILD)/tollgate-sim
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 deploy/man/tollctl.1
	install -D -m 644 deploy/completion/tollctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/tollctl
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/tollgate deploy/tollgated.yaml deploy/policy.yaml
	install -D -m 644 -t $(DESTDIR)/lib/systemd/system deploy/tollgated.service

clean: ## remove everything built
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj $(BUILD)/shim -name '*.d' 2>/dev/null)
