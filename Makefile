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
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=$(if $(SAN),0,2) -fPIE
CFLAGS := -std=gnu11 -D_GNU_SOURCE -DTOLLGATE_VERSION='"$(VERSION)"' $(OPT) $(WARN) $(HARDEN) $(SANFLAGS) -MMD -MP \
	-Iuser -Iinclude -I$(BUILD)/gen $(EXTRA_CFLAGS)
LDFLAGS := -pie -Wl,-z,relro,-z,now $(SANFLAGS) $(EXTRA_LDFLAGS)
LIBS := -lmicrohttpd -lyaml -lsqlite3 -ljansson -lssl -lcrypto -lbpf -lelf -lz -lcurl -lseccomp -lpthread -lm

BPF_CFLAGS := -target bpf -D__TARGET_ARCH_x86 -mcpu=v3 -O2 -g -Wall -Wextra -Werror -I. -Ibpf -Iinclude

# Rooms of the house, lowest floor first; each becomes an archive.
ROOMS := base model event crypto conf store guard dialect upstream http kernel fetch observe gateway admin
# Rooms that hold a program's main.
PROGRAMS := tollgated tollctl tollgate-sim
DIR_tollgated := daemon
DIR_tollctl := ctl
DIR_tollgate-sim := sim

objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard user/$(1)/*.c))
ARCHIVES := $(foreach r,$(ROOMS),$(if $(wildcard user/$(r)/*.c),$(BUILD)/lib/$(r).a))

.PHONY: all help deps run test bench unit kernel-test system-test sanitize check format clean docs fuzz clang-build install uninstall
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
$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c vmlinux.h $(wildcard bpf/*.h include/tollgate/*.h)
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@.tmp
	@llvm-strip -g $@.tmp 2>/dev/null || true
	@mv $@.tmp $@

$(BUILD)/gen/%.skel.h: $(BUILD)/bpf/%.bpf.o
	@mkdir -p $(@D)
	$(BPFTOOL) gen skeleton $< name $(subst -,_,$*)_bpf >$@.tmp
	@mv $@.tmp $@

# ---- user space
$(BUILD)/obj/user/kernel/%.o: | $(SKEL)

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
		-Wl,--start-group $$(UNIT_ARCHIVES_$(1)) -Wl,--end-group $(LIBS) -lcriterion
endef
LOWER_base := base
LOWER_shared := base
LOWER_model := base model
LOWER_event := base event
LOWER_crypto := base model crypto
LOWER_conf := base model conf
LOWER_store := base model store
LOWER_guard := base model guard
LOWER_dialect := base model dialect
LOWER_upstream := base event upstream
LOWER_http := base event http
LOWER_kernel := base kernel
LOWER_fetch := base fetch
LOWER_observe := base model observe
LOWER_gateway := base model event crypto conf store guard dialect upstream http kernel fetch observe gateway
LOWER_admin := $(LOWER_gateway) admin
$(foreach r,$(UNIT_ROOMS),$(eval UNIT_ARCHIVES_$(r) := $(foreach l,$(LOWER_$(r)),$(if $(wildcard user/$(l)/*.c),$(BUILD)/lib/$(l).a))))
$(foreach r,$(UNIT_ROOMS),$(eval $(call unit_program,$(r))))

unit: $(UNIT_BINS)
