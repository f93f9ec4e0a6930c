# A first cluster: one control plane and two workers in one site. There is nothing to fail over to; ../three-centres has that.
#
# Change what is marked CHANGE. The guide "First cluster" goes through it step by step.

terraform {
  required_providers {
    trivet = {
      source = "trivet-dev/trivet"
    }
  }
}

variable "age_recipients" {
  type        = list(string)
  description = "age public keys, as `trivet identity new` prints them; each of their identities alone opens the cluster's CA keys"
}

variable "ssh_key_file" {
  type        = string
  default     = "~/.ssh/fleet" # CHANGE
  description = "the private key that the hosts let in; it is read at every run and kept nowhere"
}

variable "known_hosts_file" {
  type        = string
  default     = "known_hosts"
  description = "the hosts' public keys; a host that is not in it is refused"
}

provider "trivet" {
  ssh = {
    user        = "ops" # CHANGE: root, or a user with sudo
    private_key = file(var.ssh_key_file)
    known_hosts = file(var.known_hosts_file)
  }
  # The age identity comes from the file that TRIVET_AGE_IDENTITY names.
}

resource "trivet_cluster" "main" {
  name           = "first"
  kubernetes     = "1.37.2"
  age_recipients = var.age_recipients

  sites = {
    home = { region = "home" }
  }
  hosts = { # CHANGE
    node1 = { address = "192.168.77.11", roles = ["etcd", "control-plane"] }
    node2 = { address = "192.168.77.12", roles = ["worker"] }
    node3 = { address = "192.168.77.13", roles = ["worker"] }
  }
}

# What a root of its own for workloads needs to reach the cluster. Nothing in it is secret.
output "access" {
  value = trivet_cluster.main.access
}

output "nodes" {
  value = { for name, n in trivet_cluster.main.nodes : name => "${n.address}, Kubernetes ${n.kubernetes}" }
}
