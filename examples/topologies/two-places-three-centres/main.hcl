# Two places, three centres: one Kubernetes cluster over two sites in Beijing and one in Shanghai.
#
#     beijing   bj1  production   bj1-cp1 (etcd, control plane)   bj1-w1 (worker)
#               bj2  local DR     bj2-cp1 (etcd, control plane)
#     shanghai  sh1  remote DR    sh1-cp1 (etcd, control plane)   sh1-w1 (worker)
#
# Try it on this machine before buying others: `trivet lab up` makes these five hosts as namespaces with their own systemd
# and sshd, and `trivet apply --lab` brings the cluster up on them. For a fleet of your own, change what is marked CHANGE.
#
# docs/topology.md explains every block. `trivet validate` finds mistakes and contacts nothing.

# Whoever holds the identity of one of these age keys can decrypt the cluster's CA keys, which are stored in no other form.
# `trivet identity new` makes a key pair. Use two or more, kept in different places. Then either write the public keys here or
# give them with --var 'age_recipients=["age1…", "age1…"]' or in the environment variable TRIVET_VAR_age_recipients.
variable "age_recipients" {
  type        = list(string)
  default     = [] # CHANGE. The lab takes keys of its own.
  description = "age public keys that the cluster's CA keys are encrypted to"
}

locals {
  # One range per site, one rack in each so far: rack n of a site is cidrsubnet(<the site's range>, 8, n).
  bj1 = "10.11.0.0/16" # CHANGE
  bj2 = "10.12.0.0/16" # CHANGE
  sh1 = "10.21.0.0/16" # CHANGE
}

fleet "meridian" {
  ssh {
    user        = "ops"          # CHANGE: needs sudo without a password, or sudo_password_file
    private_key = "~/.ssh/fleet" # CHANGE, or leave out to use the agent
    known_hosts = "known_hosts"  # beside this file; a host that is not in it is refused
  }
}

# A region is what one disaster can take away.
region "beijing" {
  # A site is a data centre. Where its hosts cannot be reached directly, add
  #
  #     bastion "gate" {
  #       address = "203.0.113.7"
  #     }
  site "bj1" {
    purpose = "production"
    room "101" {
      rack "a" {
        cidr = cidrsubnet(local.bj1, 8, 1) # one access switch: at most 48 hosts
        host "bj1-cp1" {
          address = "10.11.1.11"
          roles   = ["etcd", "control-plane"]
        }
        host "bj1-w1" {
          address      = "10.11.1.101"
          roles        = ["worker"]
          product_line = "search" # becomes a node label
        }
        # Forty workers more, bj1-w2 to bj1-w41, are one block:
        #
        #     hosts "bj1-w" {
        #       count         = 40
        #       first_number  = 2
        #       first_address = "10.11.1.102"
        #       roles         = ["worker"]
        #     }
      }
    }
  }
  site "bj2" {
    purpose = "local-dr"
    room "201" {
      rack "a" {
        cidr = cidrsubnet(local.bj2, 8, 1)
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
    purpose = "remote-dr"
    room "301" {
      rack "a" {
        cidr = cidrsubnet(local.sh1, 8, 1)
        host "sh1-cp1" {
          address = "10.21.1.11"
          roles   = ["etcd", "control-plane"]
        }
        host "sh1-w1" {
          address      = "10.21.1.101"
          roles        = ["worker"]
          product_line = "search"
        }
      }
    }
  }
}

cluster "main" {
  kubernetes = "1.37.2"
  sites      = ["bj1", "bj2", "sh1"]

  # These three cannot be changed once the cluster is up. Each node gets a /24 of pod_cidr: 4,096 nodes, 253 pods on each.
  pod_cidr     = "10.128.0.0/12"
  node_prefix  = 24
  service_cidr = "10.96.0.0/16"

  age_recipients = var.age_recipients

  network {
    plugin = "flannel" # VXLAN: nothing to set up on the routers between the sites
  }

  etcd {
    # Three members in three sites bear the loss of any one site. Two of the three stand in Beijing, so the loss of the whole
    # region stops writes until the cluster is recovered from Shanghai. With two regions there is no better placement; a
    # third member in a third region would be one. Saying so here silences the warning.
    accept_loss = ["beijing"]
  }
}
