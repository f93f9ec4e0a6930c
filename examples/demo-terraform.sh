#!/usr/bin/env bash
# Brings up the example of three centres with Terraform in a lab on this machine, changes it, breaks it, and gives the hosts back. `make demo-terraform` runs it, once more with OpenTofu
# where tofu is on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
trivet="$PWD/bin/trivet"

if [ "$(id -u)" != 0 ]; then
  echo "make demo-terraform needs root: it makes network namespaces and starts systemd in them" >&2
  exit 1
fi
clis=()
for cli in terraform tofu; do
  if command -v $cli > /dev/null; then clis+=("$cli"); else echo "$cli is not on the PATH: not shown"; fi
done
if [ ${#clis[@]} = 0 ]; then exit 1; fi

work=$(mktemp -d)
labup=
clean() {
  if [ -n "$labup" ]; then $trivet lab down -f "$work/lab" > /dev/null || echo "the lab could not be taken down: $trivet lab down -f $work/lab" >&2; fi
  rm -rf "$work"
}
trap clean EXIT

# What must not happen ends the demo.
wrong() {
  echo "!! $*" >&2
  exit 1
}

names=() seconds=()
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

# The hosts: those of the example, and one that it gets later.
mkdir -p "$work/lab"
cat > "$work/lab/main.hcl" <<'END'
variable "age_recipients" {
  type    = list(string)
  default = []
}
fleet "terraform-demo" {
  ssh {
    user = "ops"
  }
}
region "beijing" {
  site "bj1" {
    room "101" {
      rack "a" {
        cidr = "10.11.1.0/24"
        host "bj1-cp1" {
          address = "10.11.1.11"
          roles   = ["etcd", "control-plane"]
        }
        hosts "bj1-w" {
          count         = 2
          first_address = "10.11.1.101"
          roles         = ["worker"]
        }
      }
    }
  }
  site "bj2" {
    room "201" {
      rack "a" {
        cidr = "10.12.1.0/24"
        host "bj2-cp1" {
          address = "10.12.1.11"
          roles   = ["etcd", "control-plane"]
        }
      }
    }
  }
}
region "shanghai" {
  site "sh1" {
    room "301" {
      rack "a" {
        cidr = "10.21.1.0/24"
        host "sh1-cp1" {
          address = "10.21.1.11"
          roles   = ["etcd", "control-plane"]
        }
        host "sh1-w1" {
          address = "10.21.1.101"
          roles   = ["worker"]
        }
      }
    }
  }
}
cluster "main" {
  kubernetes     = "1.37.2"
  sites          = ["bj1", "bj2", "sh1"]
  age_recipients = var.age_recipients
  etcd {
    accept_loss = ["beijing"]
  }
}
END

artifacts() {
  $trivet mirror --kubernetes 1.36.3 > /dev/null
  $trivet mirror --with kubectl > /dev/null
}

lab() {
  labup=1
  $trivet lab up -f "$work/lab"
  $trivet -f "$work/lab" --lab kubectl -- version --client > /dev/null 2>&1 || true # has kubectl where it can be run, though there is no cluster
}

# field NAME: of how the lab is reached.
field() { sed -n "s/^ *\"$1\": *\"\(.*\)\",\{0,1\}$/\1/p" /var/lib/trivet-lab/terraform-demo/access.json; }

# image RELEASE: one that the release puts on every node.
image() { $trivet version --json | sed -n "s/.*\"kubernetes\":\"$1\"[^}]*\"agnhost\":\"\([^\"]*\)\".*/\1/p"; }

# The folder of an infra team: the example as it stands, the provider that was built here in a mirror of plugins, and a web service in the cluster.
folder() {
  local cli=$1 registry=registry.terraform.io plugins
  if [ "$cli" = tofu ]; then registry=registry.opentofu.org; fi
  rm -rf "$work/root" "$work/plugins"
  cp -r examples/terraform/three-centres "$work/root"
  plugins="$work/plugins/$registry/trivet-dev/trivet/0.0.1/linux_$(go env GOARCH)"
  mkdir -p "$plugins"
  cp bin/terraform-provider-trivet "$plugins/terraform-provider-trivet_v0.0.1"
  cp bin/trivet-host-linux-* bin/trivet-snapshot-linux-* "$plugins"
  printf 'provider_installation {\n  filesystem_mirror {\n    path = "%s"\n  }\n}\n' "$work/plugins" > "$work/terraform.rc"
  cp examples/manifests/web.yaml "$work/root"
  cat > "$work/root/web.tf" <<END
locals {
  # An image that every node of the release has.
  web_images = { "1.36.3" = "$(image 1.36.3)", "1.37.2" = "$(image 1.37.2)" }
}

# A client of the cluster in the same apply that makes it: the kubeconfig and the tunnel behind it are ephemeral, and in no state.
ephemeral "trivet_kubeconfig" "web" {
  cluster = trivet_cluster.main.access
}

resource "terraform_data" "web" {
  triggers_replace = trivet_cluster.main.nodes
  provisioner "local-exec" {
    command     = <<-SH
      set -e
      exec > web.log 2>&1
      umask 077
      config=\$(mktemp)
      trap 'rm -f "\$config"' EXIT
      printf '%s' "\$KUBECONFIG_TEXT" > "\$config"
      kubectl="$(ls ~/.cache/trivet/bin/kubectl-* | tail -n 1) --kubeconfig \$config"
      printf '%s' "\$MANIFEST" | \$kubectl apply -f -
      \$kubectl -n demo rollout status deployment/web --timeout=180s
      \$kubectl get nodes -L topology.kubernetes.io/region -L topology.kubernetes.io/zone
    SH
    environment = {
      KUBECONFIG_TEXT = ephemeral.trivet_kubeconfig.web.kubeconfig
      MANIFEST        = replace(file("web.yaml"), "registry.k8s.io/e2e-test-images/agnhost:AGNHOST", local.web_images[var.kubernetes])
    }
  }
}
END
  export TF_CLI_CONFIG_FILE="$work/terraform.rc" CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1 TRIVET_AGE_IDENTITY
  TRIVET_AGE_IDENTITY=$(field age_identity)
  TF_VAR_ssh_user=$(field user) TF_VAR_ssh_key_file=$(field private_key) TF_VAR_known_hosts_file=$(field known_hosts)
  TF_VAR_age_recipients="[\"$(sed -n 's/^# public key: //p' "$TRIVET_AGE_IDENTITY")\"]"
  export TF_VAR_ssh_user TF_VAR_ssh_key_file TF_VAR_known_hosts_file TF_VAR_age_recipients
  export TF_VAR_kubernetes=1.36.3 TF_VAR_workers='{ bj1 = 1, bj2 = 0, sh1 = 1 }' TF_VAR_deletion_protection=true
}

# tf ARG …: terraform or tofu in that folder, where the lab's addresses are.
tf() { nsenter --net="$(field network_namespace)" "$cli" -chdir="$work/root" "$@" -no-color; }

# apply: what it says of the cluster, and what the client saw in it. Terraform does not show what a command prints that was given something ephemeral.
apply() {
  local log="$work/root/web.log"
  rm -f "$log"
  tf apply -auto-approve > "$work/apply.log" 2>&1 || { cat "$work/apply.log"; cat "$log" 2> /dev/null || true; wrong "the apply failed"; }
  grep -E "^(trivet_cluster.*complete|Apply complete)" "$work/apply.log"
  if [ -e "$log" ]; then sed 's/^/    /' "$log"; fi
}

# plan CODE: wants its detailed exit code, 0 for nothing to do and 2 for something, and shows what it changes of nodes.
plan() {
  local code=0
  tf plan -detailed-exitcode -out="$work/plan" > "$work/plan.log" 2>&1 || code=$?
  if [ "$code" != "$1" ]; then cat "$work/plan.log"; wrong "the plan ends with $code, not $1"; fi
  if [ "$code" = 0 ]; then grep "^No changes" "$work/plan.log"; return; fi
  awk '/~ nodes +=/ { on = 1 } on { print } on && /^        }/ { exit }' "$work/plan.log"
  grep "^Plan:" "$work/plan.log"
}

# touched FILE: the hosts of which the provider's log says that they had a part in an apply. All are looked at.
touched() { grep -E ' kind=(host|action)-started' "$1" | sed -n 's/.* host=\([^ ]*\).*/\1/p' | sort -u; }

init() { tf init | sed -n '/successfully initialized/p'; }

scale() {
  TF_VAR_workers='{ bj1 = 2, bj2 = 0, sh1 = 1 }'
  plan 2
  TF_LOG_PROVIDER=DEBUG TF_LOG_PATH="$work/provider.log" apply
  local hosts
  mapfile -t hosts < <(touched "$work/provider.log")
  rm -f "$work/provider.log"
  echo "touched, of 6 hosts: ${#hosts[@]} (${hosts[*]})"
  case " ${hosts[*]} " in *" bj1-w2 "*) ;; *) wrong "the log does not tell of the new worker" ;; esac
  for h in "${hosts[@]}"; do
    case $h in
      bj1-w2 | *-cp1) ;; # the new one, and the control planes, of which one is its site's seed
      bj1-w1) ;;         # or another host of the site is
      *) wrong "the new worker has nothing to do with $h" ;;
    esac
  done
}

drift() {
  $trivet lab exec -f "$work/lab" bj1-w1 -- sh -c 'rm /etc/trivet/haproxy.cfg; sysctl -qw net.ipv4.ip_forward=0'
  plan 2
  apply
  plan 0
}

upgrade() {
  TF_VAR_kubernetes=1.37.2
  plan 2
  apply
}

# Its power is cut, and nobody will bring it back: it is taken out, with what the survivors know of it.
dead() {
  $trivet lab kill -f "$work/lab" sh1-w1
  TF_VAR_workers='{ bj1 = 2, bj2 = 0, sh1 = 0 }'
  plan 2
  apply
}

destroy() {
  if tf destroy -auto-approve > "$work/destroy.log" 2>&1; then wrong "a protected cluster was destroyed"; fi
  grep "Cluster is protected" "$work/destroy.log"
  TF_VAR_deletion_protection=false
  apply > /dev/null
  tf destroy -auto-approve > "$work/destroy.log" 2>&1 || { cat "$work/destroy.log"; wrong "the destroy failed"; }
  grep "^Destroy complete" "$work/destroy.log"
}

secrets() {
  if grep -lE "PRIVATE KEY|AGE-SECRET-KEY|client-key-data" "$work"/root/terraform.tfstate* "$work"/*.log; then wrong "a secret is in what Terraform keeps or prints"; fi
  echo "no private key, no age identity and no kubeconfig in the state, or in what was printed"
}

step "artifacts" artifacts
step "lab: six hosts, three sites" lab
for cli in "${clis[@]}"; do
  echo
  folder "$cli"
  $cli version | sed -n 1p
  step "$cli init" init
  step "$cli apply: Kubernetes 1.36.3 on five hosts, and a web service" apply
  step "$cli plan: nothing to do" plan 0
  step "one worker more" scale
  step "changed by hand, and mended" drift
  step "upgrade to Kubernetes 1.37.2" upgrade
  step "a host dies, and is taken out" dead
  step "$cli plan: nothing to do" plan 0
  step "secrets" secrets
  step "$cli destroy" destroy
  $trivet lab reimage -f "$work/lab" sh1-w1 > /dev/null # nobody brings back what is on it
done
echo
echo "== time"
for i in "${!names[@]}"; do printf '%-70s %8s s\n' "${names[$i]}" "${seconds[$i]}"; done
cat <<END

The hosts are as they were, and go with the lab. Look further:
  examples/terraform/            what was applied, and others
  docs/guides/                   the same for a fleet of your own
END
