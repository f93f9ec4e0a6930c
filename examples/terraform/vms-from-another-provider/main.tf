# Machines that the same apply makes: their addresses are unknown when it is planned, and the plan shows every host all the same.

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
  description = "the private key that the machines let in"
}

provider "trivet" {
  ssh = {
    user        = "ops" # CHANGE
    private_key = file(var.ssh_key_file)
  }
}

locals {
  # Names and roles are known at plan: they are the keys of hosts. Only what a machine gets when it is made is not.
  machines = {
    cp1 = { zone = "a", roles = ["etcd", "control-plane"] }
    cp2 = { zone = "b", roles = ["etcd", "control-plane"] }
    cp3 = { zone = "c", roles = ["etcd", "control-plane"] }
    w1  = { zone = "a", roles = ["worker"] }
    w2  = { zone = "b", roles = ["worker"] }
  }
}

# CHANGE: stands in for the machines of your provider, with an address and a host key that are known once they exist. The same lifecycle belongs there: Terraform then lets the
# cluster go on to the new machine before it destroys the old one.
resource "terraform_data" "machine" {
  for_each = local.machines
  input = {
    ipv4     = "10.20.0.${index(keys(local.machines), each.key) + 11}"
    host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOcMfRJw8Mz9ODTarCQfNpTg/ib7Rq3THzNEdTTZ5qaw"
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "trivet_cluster" "main" {
  name           = "main"
  kubernetes     = "1.37.2"
  age_recipients = var.age_recipients

  sites = { for zone in distinct(values(local.machines)[*].zone) : "zone-${zone}" => { region = "north" } }
  hosts = { for name, m in local.machines : name => {
    site         = "zone-${m.zone}"
    roles        = m.roles
    address      = terraform_data.machine[name].output.ipv4
    ssh_host_key = terraform_data.machine[name].output.host_key
  } }
}

output "access" {
  value = trivet_cluster.main.access
}
