/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user/dry_run.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "user/datapath_probe.h"

static struct datapath_sizes sizes_of(const struct config *config)
{
	struct datapath_sizes sizes = { .flows = config->flow_table, .versions = config->max_versions,
					.backends = config->max_backends };

	for (uint32_t s = 0; s < config->services_count; s++) {
		sizes.versions_used += config->services[s].versions_count;
		sizes.forwards |= config->services[s].mode != CANARY_MODE_DNAT || *config->services[s].shadow.version;
		sizes.traces |= config->services[s].samples.traces;
	}
	return sizes;
}

static const char *xdp_now(const struct datapath_hooks *hooks)
{
	if (!hooks->xdp_id)
		return "nobody is there";
	return hooks->xdp_is_ours ? "canaryd's own is there: it would be replaced in one step" :
				    "another program is there: canaryd would not start";
}

static void print_interfaces(const struct config *config, bool forwards, FILE *out)
{
	int tcx = datapath_probe_tcx();

	for (uint32_t i = 0; i < config->interfaces_count; i++) {
		const char *name = config->interfaces[i].name;
		unsigned ifindex = if_nametoindex(name);
		struct datapath_hooks hooks = {};

		fprintf(out, "interface %s: ", name);
		if (!ifindex) {
			fputs("there is none: canaryd would not start\n", out);
			continue;
		}
		fprintf(out, "XDP, native where its driver has it; tc egress%s, by %s", forwards ? " and ingress" : "",
			tcx < 0 ? "TCX or clsact (only root can ask the kernel which)" : tcx ? "TCX" : "clsact");
		if (!datapath_probe_hooks(config->pin_dir, ifindex, &hooks))
			fprintf(out, "; at XDP %s", xdp_now(&hooks));
		fputc('\n', out);
	}
}

static void print_program(const struct datapath_program_plan *program, void *context)
{
	fprintf(context, "program %-22s %s\n", program->name, program->hook);
}

static void print_map(const struct datapath_map_plan *map, void *context)
{
	fprintf(context, "map %-20s %-14s %10" PRIu32 " entries %12" PRIu64 " bytes\n", map->name, map->type, map->entries,
		map->bytes);
}

static void print_pins(const struct config *config, FILE *out)
{
	struct datapath_pins pins;
	int r = datapath_probe_pins(config->pin_dir, &pins);

	fprintf(out, "pins in %s: %s\n", config->pin_dir,
		!r		? "a daemon's maps and flows are there, and would be taken over" :
		r == -ENOENT	? "none yet" :
		r == -EPROTO	? "those of another version of canaryd: canaryd would not start" :
				  strerror(-r));
}

static void print_service(const struct config_service *service, FILE *out)
{
	fprintf(out, "service %s: %s %s, mode %s, %s, baseline %s\n", service->name,
		service->protocol == IPPROTO_UDP ? "udp" : "tcp", service->vip, config_mode_name(service->mode),
		service->rescue ? "with rescue" : "without rescue", service->baseline);
	for (uint32_t v = 0; v < service->versions_count; v++) {
		const struct config_version *version = &service->versions[v];

		fprintf(out, "  version %s:", version->name);
		for (uint32_t b = 0; b < version->backends_count; b++)
			fprintf(out, " %s", version->backends[b].address);
		fputc('\n', out);
	}
}

int dry_run_print(const struct config *config, FILE *out)
{
	struct datapath_sizes sizes = sizes_of(config);
	const struct datapath_plan_visitor visitor = { print_map, print_program, out };
	uint64_t bytes;
	int r;

	print_interfaces(config, sizes.forwards, out);
	r = datapath_plan(&sizes, &visitor, &bytes);
	if (r)
		return r;
	fprintf(out, "maps in all: about %.1f MiB\n", (double)bytes / (1 << 20));
	print_pins(config, out);
	for (uint32_t s = 0; s < config->services_count; s++)
		print_service(&config->services[s], out);
	fprintf(out, "socket %s, journal in %s%s%s\n", config->socket, config->state_dir, *config->record ? ", ticks recorded in " : "",
		config->record);
	fputs("nothing was touched: canaryctl doctor says what would be in the way\n", out);
	return 0;
}
