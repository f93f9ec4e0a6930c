#!/usr/bin/env bash
# Brings up the example topology in a lab on this machine and shows it at work. `make demo` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
topology=examples/topologies/two-places-three-centres
trivet="bin/trivet"
here=(-f "$topology" --lab)
names=() seconds=()

if [ "$(id -u)" != 0 ]; then
  echo "make demo needs root: it makes network namespaces and starts systemd in them" >&2
  exit 1
fi

# step NAME COMMAND …: runs it, and remembers how long it took.
step() {
  local name=$1 start
  shift
  echo
  echo "== $name"
  start=$(date +%s.%N)
  "$@"
  names+=("$name")
  seconds+=("$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')")
}

artifacts() { $trivet mirror --with kubectl > /dev/null; }

# The service runs an image that the release puts on every node. A node's own list of images is minutes old, so the release is asked.
web() {
  local release image
  release=$(sed -n 's/^ *kubernetes *= *"\([^"]*\)".*/\1/p' "$topology/main.hcl")
  image=$($trivet version --json | sed -n "s/.*\"kubernetes\":\"$release\"[^}]*\"agnhost\":\"\([^\"]*\)\".*/\1/p")
  if [ -z "$image" ]; then
    echo "trivet version --json names no agnhost image for Kubernetes $release" >&2
    return 1
  fi
  sed "s|registry.k8s.io/e2e-test-images/agnhost:AGNHOST|$image|" examples/manifests/web.yaml | $trivet "${here[@]}" kubectl -- apply -f -
  $trivet "${here[@]}" kubectl -- -n demo rollout status deployment/web --timeout=120s
}

# A pod of the service asks for the service by its name; the answer names the pod that served.
answer() {
  local path="/api/v1/namespaces/demo/services/web:80/proxy/dial?host=web&port=80&request=hostname&protocol=http&tries=5"
  $trivet "${here[@]}" kubectl -- get --raw "$path"
  echo
}

step "artifacts" artifacts
step "lab: five hosts, three sites" $trivet lab up -f "$topology"
step "apply" $trivet "${here[@]}" apply --yes
step "verify" $trivet "${here[@]}" verify
step "web service" web
echo
echo "== nodes per site"
$trivet "${here[@]}" kubectl -- get nodes -L topology.kubernetes.io/region -L topology.kubernetes.io/zone
echo
echo "== http://web, asked from a pod by the Service's name"
answer
echo
echo "== time"
for i in "${!names[@]}"; do printf '%-32s %8s s\n' "${names[$i]}" "${seconds[$i]}"; done
cat <<END

Look further:
  bin/trivet status  -f $topology --lab
  bin/trivet kubectl -f $topology --lab -- get pods -A -o wide
  bin/trivet tunnel  -f $topology --lab      (and, in another terminal, what it prints)
  bin/trivet lab kill -f $topology bj2-cp1   (cut a host's power; 'lab start' boots it again)
Clean up:
  make demo-clean
END
