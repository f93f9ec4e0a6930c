#!/usr/bin/env bash
# Brings up the example program of three centres in a lab on this machine, finds nothing left to do, looks at the cluster, and gives the hosts back: with the real pulumi and a backend of files
# where pulumi is on the PATH, and with the stand-in of the tests where it is not. `make demo-pulumi` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
trivet="$PWD/bin/trivet"
topology=examples/topologies/two-places-three-centres
program=examples/pulumi/two-places-three-centres

if [ "$(id -u)" != 0 ]; then
  echo "make demo-pulumi needs root: it makes network namespaces and starts systemd in them" >&2
  exit 1
fi

work=$(mktemp -d)
labup=
clean() {
  if [ -n "$labup" ]; then $trivet lab down -f $topology > /dev/null || echo "the lab could not be taken down: $trivet lab down -f $topology" >&2; fi
  rm -rf "$work"
}
trap clean EXIT

$trivet mirror --with kubectl > /dev/null
labup=1
$trivet lab up -f $topology

# field NAME: of how the lab is reached.
field() { sed -n "s/^ *\"$1\": *\"\(.*\)\",\{0,1\}$/\1/p" /var/lib/trivet-lab/meridian/access.json; }
TRIVET_SSH_USER=$(field user)
TRIVET_SSH_PRIVATE_KEY=$(cat "$(field private_key)")
TRIVET_SSH_KNOWN_HOSTS=$(cat "$(field known_hosts)")
TRIVET_AGE_IDENTITY=$(field age_identity)
export TRIVET_SSH_USER TRIVET_SSH_PRIVATE_KEY TRIVET_SSH_KNOWN_HOSTS TRIVET_AGE_IDENTITY TRIVET_HELPER_DIR="$PWD/bin"
recipient=$(sed -n 's/^# public key: //p' "$TRIVET_AGE_IDENTITY")

# verify: pods that use the cluster.
verify() { $trivet verify --lab -f $topology; }

if ! command -v pulumi > /dev/null; then
  echo "pulumi is not on the PATH: the stand-in of the tests takes its place"
  go build -trimpath -o "$work/without-pulumi" ./examples/pulumi/without-pulumi
  # It opens the pipe once the cluster is there, and reads whether that is well: writing waits until then.
  mkfifo "$work/verified"
  VERIFIED="$work/verified" nsenter --net="$(field network_namespace)" "$work/without-pulumi" "$recipient" &
  demo=$!
  exec 3> "$work/verified"
  if verify; then echo ok >&3; else echo no >&3; fi
  exec 3>&-
  wait $demo
  exit
fi

export PULUMI_BACKEND_URL="file://$work" PULUMI_CONFIG_PASSPHRASE=demo PULUMI_SKIP_UPDATE_CHECK=1 PATH="$PWD/bin:$PATH"
p() { nsenter --net="$(field network_namespace)" pulumi -C $program --non-interactive --stack demo "$@"; }
pulumi -C $program stack init demo --non-interactive
trap 'rm -f "$program/Pulumi.demo.yaml"; clean' EXIT
p config set --path 'recipients[0]' "$recipient"
p config set protected false
p preview
p up --yes
p up --yes --expect-no-changes
verify
p destroy --yes
