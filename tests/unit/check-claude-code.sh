#!/bin/sh
# Every configuration of docs/claude-code.md is one: messages.fcgi --check takes it without a warning, and uses the backend that it
# names. Runs where the program is built.
set -eu
top=${srcdir:-$(dirname "$0")/../..}
page=$top/docs/claude-code.md
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
umask 077
bad=0

awk -v folder="$tmp" '/^```$/ { if (open) { close(file); open = 0 } else { file = folder "/" ++n ".conf"; open = 1 }; next }
	/^```sh$/ { open = 1; file = "/dev/null"; next }
	open { print > file }' "$page"

[ "$(find "$tmp" -name '*.conf' | wc -l)" -ge 8 ] || { echo "$page: the configurations are gone" && bad=1; }
for conf in "$tmp"/*.conf; do
	backend=$(sed -n 's/^proxy_backend = "\(.*\)";$/\1/p' "$conf")
	said=$(env -i PATH="$PATH" HOME="$tmp" OPENAI_API_KEY=k DATABRICKS_TOKEN=k AWS_BEARER_TOKEN_BEDROCK=k \
		OPENROUTER_API_KEY=k LITELLM_API_KEY=k GEMINI_API_KEY=k ANTHROPIC_API_KEY=k \
		./messages.fcgi --check --config "$conf" 2>&1) || { echo "$said" && bad=1; }
	case $said in
	*"backend: $backend,"*) ;;
	*) printf '%s\n' "$said" "$page: another backend than $backend is used" && bad=1 ;;
	esac
	case $said in
	*'0 errors, 0 warnings'*) ;;
	*) printf '%s\n' "$said" && bad=1 ;;
	esac
done
exit $bad
