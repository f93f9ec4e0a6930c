# One host with all roles: the smallest cluster, to learn on. There is nothing to fail over to.
#
# For a fleet of several sites see ../two-places-three-centres; docs/topology.md explains every block.

# `trivet identity new` makes a key pair; the cluster's CA keys are stored only encrypted to these public keys. Give them with
# --var 'age_recipients=["age1…"]', in TRIVET_VAR_age_recipients, or here.
variable "age_recipients" {
  type        = list(string)
  default     = [] # CHANGE. The lab takes keys of its own.
  description = "age public keys that the cluster's CA keys are encrypted to"
}

fleet "solo" {
  ssh {
    user        = "ops"          # CHANGE
    private_key = "~/.ssh/fleet" # CHANGE
    known_hosts = "known_hosts"
  }
}

region "home" {
  site "home1" {
    room "1" {
      rack "a" {
        cidr = "192.168.77.0/24" # CHANGE
        host "node1" {
          address = "192.168.77.11" # CHANGE
          roles   = ["etcd", "control-plane", "worker"]
        }
      }
    }
  }
}

cluster "solo" {
  kubernetes     = "1.37.2"
  sites          = ["home1"]
  pod_cidr       = "10.128.0.0/16"
  service_cidr   = "10.96.0.0/16"
  age_recipients = var.age_recipients

  dns {
    replicas = 1
  }
}
