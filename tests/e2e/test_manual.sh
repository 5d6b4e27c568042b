#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The manual has every option, command, key and alert; its pages render without a complaint; TAB completes in bash.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export MANWIDTH=200 LC_ALL=C.UTF-8 CANARYD_SOCKET=$work/canaryd.sock

# page NAME.SECTION: as read in a terminal that is wide enough to break no line within a name.
page() { man -l --nj --nh "$LAB_BUILD/man/$1" | sed 's/.\x08//g'; }

# missing PAGE: of the lines on stdin, those that do not begin a line of the page.
missing() {
	local text line
	text=$(page "$1")
	while IFS= read -r line; do
		awk -v line="$line" '{ sub(/^ +/, "") } index($0, line) == 1 { found = 1 } END { exit !found }' <<<"$text" || echo "$line"
	done
}

has_all() { check_equal "$1 has every $2" "$(missing "$1")" ""; }

test_pages() {
	local file
	for file in canaryd.8 canaryctl.1 canaryd.yaml.5 canaryd-runbooks.7; do
		check_equal "$file: groff does not complain" "$(groff -man -ww -Tutf8 -K utf8 "$LAB_BUILD/man/$file" 2>&1 >/dev/null)" ""
		check "$file: neither does mandoc" mandoc -Tlint -Werror "$LAB_BUILD/man/$file"
		check_equal "$file: no markup is left over" "$(page "$file" | grep -E '@[a-z-]+@|\\|(^| )\*|\*( |$)')" ""
	done
}

# The options of a help text: "-c, --config FILE".
options_in() { sed -nE 's/^ {2,6}((-[a-zA-Z], )?--[a-z0-9-]+( [^ ]+)?)( {2,}.*)?$/\1/p'; }

test_contents() {
	local command
	"$LAB_BUILD/canaryd" --help | options_in | has_all canaryd.8 option
	"$LAB_BUILD/canaryd" --keys | grep -v '^ ' | has_all canaryd.yaml.5 key
	"$LAB_BUILD/canaryctl" --help | sed -n '/^Commands/,/^$/p' | sed -nE 's/^  ([a-z]+( [a-z]+)?).*/\1/p' |
		has_all canaryctl.1 command
	while read -r command; do
		# shellcheck disable=SC2086 # one or two words
		"$LAB_BUILD/canaryctl" help $command
	done < <(commands) | options_in | sort -u | has_all canaryctl.1 option
	grep -ohE '"[A-Z][a-z]+[A-Z][A-Za-z]+"' user/alert*.[ch] | tr -d '"' | sort -u |
		has_all canaryd-runbooks.7 alert
}

commands() { "$LAB_BUILD/canaryctl" --help | sed -n '/^Commands/,/^$/p' | sed -nE 's/^  ([a-z]+( [a-z]+)?).*/\1/p'; }

# Of the commands in the runbooks, those that canaryctl does not have as they are there.
unknown_commands() {
	local line words command option help
	while IFS= read -r line; do
		read -ra words <<<"$line"
		command=$(commands | grep -xF -e "${words[1]}" -e "${words[1]} ${words[2]:-}") || echo "no command: $line"
		# shellcheck disable=SC2086 # one or two words
		help=$("$LAB_BUILD/canaryctl" help $command)
		for option in "${words[@]}"; do
			[[ $option != -* ]] || grep -qE -- "(^|[ ,])$option([ ,]|$)" <<<"$help" || echo "no option $option: $line"
		done
	done < <(runbook_commands)
}

# In blocks, and in sentences: *canaryctl sli mute checkout* NAME *--for 2h*.
runbook_commands() {
	grep -oE '(^|&& )canaryctl [^#&]*|\*canaryctl [^*]*\*( [A-Z:]+)?( \*--[^*]*\*)?' tools/man/canaryd-runbooks.7.scd.in |
		sed 's/^&& //; s/\*//g' | sort -u
}

# tab LINE: what bash offers at its end, in one line.
tab() {
	bash -c '
		. /usr/share/bash-completion/bash_completion
		. tools/completion/canaryctl
		. tools/completion/canaryd
		COMP_LINE=$1 COMP_POINT=${#1}
		mapfile -t COMP_WORDS < <(grep -oE "[:=]|[^ :=]+" <<<"$1")
		[[ $1 != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		function=$(complete -p "${COMP_WORDS[0]}" | sed "s/.*-F \([^ ]*\).*/\1/")
		"$function" "${COMP_WORDS[0]}" 2>/dev/null
		echo "${COMPREPLY[*]}"' - "$1"
}

completes() { check_equal "TAB: $1" "$(PATH=$LAB_BUILD:$PATH tab "$1")" "$2"; }

test_completion() {
	completes "canaryctl ro" "rollout"
	completes "canaryctl rollout st" "start status"
	completes "canaryctl rollout start --tim" "--timeout="
	completes "canaryctl config init --strategy=b" "blue-green"
	completes "canaryctl config check Makef" "Makefile"
	completes "canaryctl plan --config=Makef" "Makefile"
	completes "canaryctl status " ""
	completes "canaryd --ke" "--keys"
	completes "canaryd -c Makef" "Makefile"
}

test_pages
test_contents
check_equal "the runbooks' commands are canaryctl's" "$(unknown_commands)" ""
test_completion
plan
