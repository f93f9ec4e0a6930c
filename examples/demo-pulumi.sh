#!/usr/bin/env bash
# Brings up the example program of three centres in a lab on this machine, finds nothing left to do, looks at the cluster, mends drift, goes on with a change that a host stopped, and gives the
# hosts back: with the real pulumi and a backend of files where pulumi is on the PATH, and with the stand-in of the tests where it is not. `make demo-pulumi` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
trivet="$PWD/bin/trivet"
topology=examples/topologies/two-places-three-centres

if [ "$(id -u)" != 0 ]; then
  echo "make demo-pulumi needs root: it makes network namespaces and starts systemd in them" >&2
  exit 1
fi

# field NAME: of how the lab is reached.
field() { sed -n "s/^ *\"$1\": *\"\(.*\)\",\{0,1\}$/\1/p" /var/lib/trivet-lab/meridian/access.json; }

work=$(mktemp -d)
labup=
clean() {
  if [ -n "$labup" ]; then
    # The tunnel that kubectl had begun goes on by itself, for kubectls to come.
    for p in $(ip netns pids "$(basename "$(field network_namespace)")" 2> /dev/null); do
      if [ "$(readlink "/proc/$p/exe")" = "$trivet" ]; then kill "$p"; fi
    done
    $trivet lab down -f $topology > /dev/null || echo "the lab could not be taken down: $trivet lab down -f $topology" >&2
  fi
  rm -rf "$work"
}
trap clean EXIT

$trivet mirror --with kubectl > /dev/null
labup=1
$trivet lab up -f $topology
$trivet -f $topology --lab kubectl -- version --client > /dev/null 2>&1 || true # has kubectl where it can be run, though there is no cluster

TRIVET_SSH_USER=$(field user)
TRIVET_SSH_PRIVATE_KEY=$(cat "$(field private_key)")
TRIVET_SSH_KNOWN_HOSTS=$(cat "$(field known_hosts)")
TRIVET_AGE_IDENTITY=$(field age_identity)
export TRIVET_SSH_USER TRIVET_SSH_PRIVATE_KEY TRIVET_SSH_KNOWN_HOSTS TRIVET_AGE_IDENTITY TRIVET_HELPER_DIR="$PWD/bin"
recipient=$(sed -n 's/^# public key: //p' "$TRIVET_AGE_IDENTITY")

# What is looked at once the cluster is there: pods that use it, its nodes by the kubeconfig that the program gives, and the state, in which no secret may be.
cat > "$work/verify" <<END
set -eu
$trivet verify --lab -f $topology
$(ls ~/.cache/trivet/bin/kubectl-* | tail -n 1) --kubeconfig "$work/kubeconfig" get nodes
if grep -rlE "PRIVATE KEY|AGE-SECRET-KEY" "$work/state"; then echo "a secret is in the state" >&2; exit 1; fi
END

on="$trivet lab exec -f $topology"

# A pulumi on the PATH keeps the state in a folder, and finds the provider on the PATH.
go build -trimpath -o "$work/demo" ./examples/pulumi/demo
mkdir "$work/state"
PULUMI_BACKEND_URL="file://$work/state" PULUMI_CONFIG_PASSPHRASE=demo PULUMI_SKIP_UPDATE_CHECK=1 PATH="$PWD/bin:$PATH" KUBECONFIG_OUT="$work/kubeconfig" VERIFY="sh $work/verify" \
  DRIFT="$on bj1-w1 -- rm /etc/trivet/haproxy.cfg" \
  BREAK="$on sh1-w1 -- sh -c 'mount --bind /etc/kubernetes /etc/kubernetes && mount -o remount,ro,bind /etc/kubernetes'" MEND="$on sh1-w1 -- umount /etc/kubernetes" \
  nsenter --net="$(field network_namespace)" "$work/demo" "$recipient"
