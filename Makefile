# SPDX-License-Identifier: GPL-2.0-or-later
# canaryd: see README.md. `make help` lists the targets.
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

VERSION := 0.1.0
B := build
CC := gcc
CLANG ?= clang-14
BPFTOOL ?= $(or $(shell command -v bpftool),/usr/sbin/bpftool)
PKG_CONFIG ?= pkg-config
ARCH := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)

PREFIX ?= /usr/local
UNIT_DIR ?= $(if $(filter /usr,$(PREFIX)),$(or $(shell $(PKG_CONFIG) --variable=systemdsystemunitdir systemd),/lib/systemd/system),$(PREFIX)/lib/systemd/system)

PACKAGES := libbpf libsystemd libcyaml yaml-0.1 jansson libmicrohttpd libcurl sqlite3
# Evaluated when a recipe needs it, that is, after tools/bootstrap.
PKG_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(PACKAGES))
PKG_LIBS = -Wl,--as-needed $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lm

WARN := -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wpointer-arith -Wwrite-strings -Wvla
comma := ,
OPT := $(if $(DEBUG),-O0 -g3,-O2 -g) $(if $(SANITIZE),-fsanitize=address$(comma)undefined)
HARDEN := $(if $(DEBUG)$(SANITIZE),,-D_FORTIFY_SOURCE=2)
LDFLAGS += -Wl,-z,relro,-z,now
CPPFLAGS += -D_GNU_SOURCE -DCANARYD_VERSION='"$(VERSION)"' -Iinclude -I. -I$(B)
CFLAGS += -std=gnu11 $(OPT) $(WARN) -fstack-protector-strong -MMD -MP
BPF_CFLAGS := -std=gnu11 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -O2 -g -Wall -Wextra -Wno-unused-parameter \
	-Iinclude -I. $(if $(MULTIARCH),-idirafter /usr/include/$(MULTIARCH)) -MMD -MP
PURE := -Wno-pointer-arith -Wno-unknown-pragmas # the headers of bpf/ as a native compiler sees them
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -O1 -g

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

BPF_OBJS := $(patsubst bpf/%.bpf.c,$(B)/bpf/%.bpf.o,$(wildcard bpf/*.bpf.c))
SKELS := $(patsubst bpf/%.bpf.c,$(B)/%.skel.h,$(wildcard bpf/*.bpf.c))
USER_OBJS := $(patsubst user/%.c,$(B)/user/%.o,$(filter-out user/main.c,$(wildcard user/*.c)))
PAGE_FILES := $(patsubst user/page/%,$(B)/page/%,$(wildcard user/page/*)) $(B)/page/chart.js
CHART_JS ?= /usr/share/javascript/chart.js/chart.min.js
SAN_OBJS := $(patsubst $(B)/%,$(B)/san/%,$(USER_OBJS))
FUZZ_OBJS := $(patsubst $(B)/%,$(B)/fuzz/%,$(USER_OBJS))
CTL_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard tools/canaryctl/*.c))
CTL_SAN_OBJS := $(patsubst $(B)/%,$(B)/san/%,$(filter-out %/main.o,$(CTL_OBJS)))
LAB_BINS := $(B)/lab-server $(B)/lab-client $(B)/lab-sink $(B)/lab-flood
LAB_BPF := $(patsubst tools/lab/%.bpf.c,$(B)/bpf/%.bpf.o,$(wildcard tools/lab/*.bpf.c))
LAB_SHARED := $(filter-out %.bpf.c tools/lab/server% tools/lab/client% tools/lab/sink% tools/lab/flood% tools/lab/clock%,$(wildcard tools/lab/*.c))
lab_objs = $(patsubst %.c,$(B)/%.o,$(wildcard tools/lab/$(1)*.c) $(LAB_SHARED) user/address.c)
BENCH_OBJS := $(patsubst %.c,$(B)/%.o,$(filter-out %.bpf.c,$(wildcard tools/bench/*.c)))
REFEREE_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard tools/referee/*.c))
BENCH_BPF := $(patsubst tools/bench/%.bpf.c,$(B)/%.skel.h,$(wildcard tools/bench/*.bpf.c))
MAN_PAGES := $(patsubst tools/man/%.scd.in,$(B)/man/%,$(wildcard tools/man/*.scd.in))
DASHBOARDS := $(B)/grafana/executive.json $(B)/grafana/oncall.json $(B)/grafana/debug.json
MONITORING := $(DASHBOARDS) tools/prometheus/canaryd.rules.yaml
UNIT_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
BPF_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/bpf/test_*.c))
BPF_FIXTURE := $(patsubst %.c,$(B)/%.o,$(wildcard tests/bpf/fixture*.c))
FUZZERS := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))

## all: build canaryd and canaryctl into build/
all: bootstrap-build
	$(Q)$(MAKE) --no-print-directory programs
programs: $(B)/canaryd $(B)/canaryctl

bootstrap-%:
	$(Q)tools/bootstrap $*

# ---- kernel ---------------------------------------------------------------------------------------------------
$(B)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
	$(Q)llvm-strip-14 -g $@
$(B)/bpf/%.bpf.o: tools/bench/%.bpf.c
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
	$(Q)llvm-strip-14 -g $@
$(B)/bpf/%.bpf.o: tools/lab/%.bpf.c
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
	$(Q)llvm-strip-14 -g $@
$(B)/%.skel.h: $(B)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# ---- user space -----------------------------------------------------------------------------------------------
$(B)/user/datapath.o $(B)/san/user/datapath.o $(B)/fuzz/user/datapath.o: | $(SKELS)
$(B)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(HARDEN) -c $< -o $@
$(B)/san/%.o: %.c
	$(call say,CC-SAN,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(SAN) -c $< -o $@
$(B)/page/chart.js: $(CHART_JS)
	$(Q)install -D -m 644 $< $@
$(B)/page/%: user/page/%
	$(Q)install -D -m 644 $< $@
$(B)/page_files.o: $(PAGE_FILES)
	$(call say,EMBED,user/page)
	$(Q)cd $(B)/page && ld -r -b binary -z noexecstack -o ../$(@F) $(notdir $^)
	$(Q)objcopy --rename-section .data=.rodata,alloc,load,readonly,data,contents $@
$(B)/libuser.a: $(USER_OBJS) $(B)/page_files.o
	$(Q)rm -f $@ && ar rcs $@ $^
$(B)/libuser-san.a: $(SAN_OBJS) $(B)/page_files.o
	$(Q)rm -f $@ && ar rcs $@ $^
$(B)/libctl-san.a: $(CTL_SAN_OBJS)
	$(Q)rm -f $@ && ar rcs $@ $^
$(B)/canaryd: $(B)/user/main.o $(B)/libuser.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(PKG_LIBS) -o $@
$(B)/canaryctl: $(CTL_OBJS) $(B)/libuser.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(PKG_LIBS) -o $@
$(B)/lab-server: $(call lab_objs,server)
$(B)/lab-client: $(call lab_objs,client)
$(B)/lab-sink: $(call lab_objs,sink)
$(B)/lab-flood: $(call lab_objs,flood)
$(B)/lab-%.so: tools/lab/%.c
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(WARN) -std=gnu11 -O2 -g -fPIC -shared $< -o $@
$(LAB_BINS):
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(PKG_LIBS) -o $@
$(BENCH_OBJS): | $(BENCH_BPF)
$(B)/referee: $(REFEREE_OBJS) $(B)/libuser.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(PKG_LIBS) -o $@
$(B)/bench: $(BENCH_OBJS) $(B)/libuser.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(PKG_LIBS) -o $@

# ---- manual, installation, package ----------------------------------------------------------------------------
$(B)/manual: $(B)/tools/man/manual.o $(filter-out %/main.o,$(CTL_OBJS)) $(B)/libuser.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(PKG_LIBS) -o $@
$(B)/man/%: tools/man/%.scd.in $(B)/manual
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(B)/manual $< | sed 's/@version@/$(VERSION)/' | scdoc > $@
$(B)/doc/runbooks.html: $(B)/man/canaryd-runbooks.7
	$(Q)mkdir -p $(@D)
	$(Q)mandoc -T html -O man=https://manpages.debian.org/%N.%S $< > $@
$(B)/doc/canaryd.yaml: $(B)/canaryctl
	$(Q)mkdir -p $(@D)
	$(Q)$< config init --name checkout --vip 192.0.2.10:80 --baseline 192.0.2.10:8081 --canary 192.0.2.10:8082 > $@
$(B)/doc/canaryd.service: tools/systemd/canaryd.service.in FORCE
	$(Q)mkdir -p $(@D)
	$(Q)sed 's,@sbindir@,$(PREFIX)/sbin,' $< > $@
$(B)/grafana/%.json: tools/grafana/dashboards.jsonnet
	$(call say,JSONNET,$@)
	$(Q)mkdir -p $(@D)
	$(Q)jsonnet -e "(import '$<')['$*.json']" > $@
## dashboards: Grafana's into build/grafana/
dashboards: bootstrap-deb
	$(Q)$(MAKE) --no-print-directory $(DASHBOARDS)
## man: the manual into build/man/; man -l build/man/canaryd.8
man: bootstrap-deb
	$(Q)$(MAKE) --no-print-directory manual
manual: $(MAN_PAGES) $(B)/doc/runbooks.html

# Each SOURCE:DESTINATION:MODE.
INSTALLED = $(B)/canaryd:$(PREFIX)/sbin/canaryd:755 $(B)/canaryctl:$(PREFIX)/bin/canaryctl:755 \
	$(B)/doc/canaryd.service:$(UNIT_DIR)/canaryd.service:644 tools/systemd/canaryd.socket:$(UNIT_DIR)/canaryd.socket:644 \
	tools/systemd/canaryd.sysusers:$(PREFIX)/lib/sysusers.d/canaryd.conf:644 \
	$(foreach page,$(MAN_PAGES),$(page):$(PREFIX)/share/man/man$(lastword $(subst ., ,$(page)))/$(notdir $(page)):644) \
	$(foreach name,canaryd canaryctl,tools/completion/$(name):$(PREFIX)/share/bash-completion/completions/$(name):644) \
	$(B)/doc/canaryd.yaml:$(PREFIX)/share/doc/canaryd/examples/canaryd.yaml:644 \
	$(B)/doc/runbooks.html:$(PREFIX)/share/doc/canaryd/runbooks.html:644 \
	$(foreach file,$(MONITORING),$(file):$(PREFIX)/share/canaryd/$(patsubst $(B)/%,%,$(patsubst tools/%,%,$(file))):644)
## install: programs, unit, manual, completion below PREFIX (/usr/local), staged below DESTDIR; uninstall takes them away
install: bootstrap-deb
	$(Q)$(MAKE) --no-print-directory install-files
	$(Q)[ -n "$(DESTDIR)" ] || systemd-sysusers $(PREFIX)/lib/sysusers.d/canaryd.conf
	$(Q)[ -n "$(DESTDIR)" ] || [ ! -d /run/systemd/system ] || systemctl daemon-reload
install-files: $(foreach file,$(INSTALLED),$(firstword $(subst :, ,$(file))))
	$(Q)$(foreach file,$(INSTALLED),install -D -m $(word 3,$(subst :, ,$(file))) $(word 1,$(subst :, ,$(file))) \
		$(DESTDIR)$(word 2,$(subst :, ,$(file))) &&) true
uninstall:
	$(Q)rm -f $(foreach file,$(INSTALLED),$(DESTDIR)$(word 2,$(subst :, ,$(file))))
	$(Q)rm -rf $(DESTDIR)$(PREFIX)/share/canaryd $(DESTDIR)$(PREFIX)/share/doc/canaryd

## deb: a Debian package in build/deb/
deb: bootstrap-deb
	$(Q)$(MAKE) --no-print-directory programs manual $(B)/doc/canaryd.yaml
	$(Q)tools/debian/build $(B)/deb $(VERSION)$(DEB_SUFFIX)

# ---- tests ----------------------------------------------------------------------------------------------------
$(B)/tests/unit/%: tests/unit/%.c $(B)/san/tests/packet.o $(B)/libuser-san.a
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(SAN) $(PURE) $< $(filter %.o %.a,$^) -lcmocka $(PKG_LIBS) -o $@
$(B)/tests/unit/test_ctl_%: tests/unit/test_ctl_%.c $(B)/libctl-san.a $(B)/libuser-san.a
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(SAN) $(filter %.c %.a,$^) -lcmocka $(PKG_LIBS) -o $@
$(BPF_FIXTURE): | $(SKELS)
$(B)/tests/bpf/%: tests/bpf/%.c $(BPF_FIXTURE) $(B)/tests/packet.o $(B)/libuser.a
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $< $(filter %.o %.a,$^) -lcmocka $(PKG_LIBS) -o $@
$(B)/fuzz/%.o: %.c
	$(call say,CC-FUZZ,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(SAN) -fsanitize=fuzzer-no-link -c $< -o $@
$(B)/libuser-fuzz.a: $(FUZZ_OBJS) $(B)/page_files.o
	$(Q)rm -f $@ && ar rcs $@ $^
$(B)/tests/fuzz/%: tests/fuzz/%.c $(B)/libuser-fuzz.a
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(SAN) $(PURE) -fsanitize=fuzzer $< $(B)/libuser-fuzz.a $(PKG_LIBS) -o $@

## test: install what is missing, build, run every ring of tests; last line: N passed, N failed, N skipped
test: bootstrap-test
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)tests/run $(RING)
tests: programs manual $(DASHBOARDS) lab $(B)/referee $(UNIT_TESTS) $(BPF_TESTS) $(if $(wildcard tests/fuzz/fuzz_*.c),$(FUZZERS))
lab: $(LAB_BINS) $(LAB_BPF) $(B)/lab-clock.so $(B)/lab-crash.so

## lint: the rooms and the direction of includes, shell scripts, names and sizes
lint: bootstrap-test
	$(Q)tests/lint

## kernels: the programs and what defends traffic on Linux 5.10, 6.1 and 6.12, in virtual machines; 20 minutes
kernels: bootstrap-kernels
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)tests/run kernels

## package-test: the Debian package where systemd is process 1, in a virtual machine: install to purge; 8 minutes
package-test: bootstrap-kernels
	$(Q)$(MAKE) --no-print-directory programs manual lab
	$(Q)tests/run package

## demo: two namespaces, a real rollout, its story; SCENARIO=good|errors|slow|refuse|blackhole|reset
demo: bootstrap-test
	$(Q)$(MAKE) --no-print-directory programs lab
	$(Q)tools/lab/demo $(SCENARIO)

## bench: what a packet costs in each mode, in ns and in units of one 40-byte LRU hit; a rescue, in µs; 3 minutes
bench: bootstrap-test
	$(Q)$(MAKE) --no-print-directory $(B)/bench programs lab
	$(Q)$(B)/bench
	$(Q)tools/bench/rescue

## referee: the judge's promises by simulation, beside the rules of Flagger, Argo and Kayenta; ROLLOUTS=500 a cell
referee: bootstrap-build
	$(Q)$(MAKE) --no-print-directory $(B)/referee
	$(Q)$(B)/referee -n $(or $(ROLLOUTS),500)

## clean: remove build/
clean:
	$(Q)rm -rf $(B)

## help: this list
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)
	@echo; echo 'Variables: V=1 (commands), DEBUG=1 (-O0), SANITIZE=1 (ASan, UBSan), RING=lint|unit|bpf|referee|e2e|fuzz|kernels|package (make test)'

.PHONY: all programs dashboards man manual install install-files uninstall deb FORCE package-test test tests lab lint kernels demo bench referee clean help
-include $(shell find $(B) -name '*.d' -type f 2>/dev/null)
