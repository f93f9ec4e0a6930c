# Day two: a cluster that carries load, with what it takes to keep it going. Hosts, settings and releases change by editing this file;
# docs/operations.md has a page for each of the blocks below.
#
#     north   n1   n1-cp1 (etcd, control plane)   n1-w1 to n1-w4 (workers)   n1-x1 (a surge host)
#             n2   n2-cp1 (etcd, control plane)   n2-w1 to n2-w4 (workers)   n2-x1 (a surge host)
#     south   s1   s1-cp1 (etcd, control plane)
#
# `trivet validate` finds mistakes and contacts nothing; `trivet lab up` makes the hosts on this machine.

# `trivet identity new` makes a key pair; the cluster's CA keys are stored only encrypted to these public keys. Give them with
# --var 'age_recipients=["age1…"]', in TRIVET_VAR_age_recipients, or here.
variable "age_recipients" {
  type        = list(string)
  default     = [] # CHANGE. The lab takes keys of its own.
  description = "age public keys that the cluster's CA keys are encrypted to"
}

fleet "harbour" {
  ssh {
    user        = "ops"          # CHANGE
    private_key = "~/.ssh/fleet" # CHANGE
    known_hosts = "known_hosts"
  }
}

region "north" {
  site "n1" {
    room "1" {
      rack "a" {
        host "n1-cp1" {
          address = "10.31.1.11" # CHANGE, like the others
          roles   = ["etcd", "control-plane"]
        }
        hosts "n1-w" {
          count         = 4
          first_address = "10.31.1.101"
          roles         = ["worker"]
          product_line  = "shop"
        }
        # A part of the cluster while the release changes, and only then: it comes before any worker goes away, and is given back at the end.
        # At other times nobody connects to it.
        host "n1-x1" {
          address      = "10.31.1.91"
          roles        = ["worker"]
          product_line = "shop"
          surge        = true
        }
      }
    }
  }
  site "n2" {
    room "1" {
      rack "a" {
        host "n2-cp1" {
          address = "10.32.1.11"
          roles   = ["etcd", "control-plane"]
        }
        hosts "n2-w" {
          count         = 4
          first_address = "10.32.1.101"
          roles         = ["worker"]
          product_line  = "shop"
        }
        host "n2-x1" {
          address      = "10.32.1.91"
          roles        = ["worker"]
          product_line = "shop"
          surge        = true
        }
      }
    }
  }
}

region "south" {
  site "s1" {
    room "1" {
      rack "a" {
        host "s1-cp1" {
          address = "10.41.1.11"
          roles   = ["etcd", "control-plane"]
        }
      }
    }
  }
}

cluster "shop" {
  kubernetes     = "1.37.2" # the next minor release is an upgrade: plan, apply
  sites          = ["n1", "n2", "s1"]
  age_recipients = var.age_recipients

  # Objects that the cluster shall have. They are applied last, mended, and deleted when they are taken out of the files.
  manifests = ["manifests/*.yaml"]

  # How nodes go away, for a release and for settings: in each site one worker at a time, and one more for its surge host. Nobody has to be
  # there at night: an apply stops at the first node that does not come back, but for one that may fail.
  upgrade {
    max_unavailable = 1
    per             = "site"
    drain_timeout   = "10m"
    max_failed      = 1
    # paused        = true       # finishes what has begun, and begins nothing more
  }

  # Commands on the hosts themselves, before and after what happens to them. Trivet does not bring the programs; `trivet preflight` looks
  # whether they are there. A hook may run more than once, so it has to be idempotent.
  hook "balancer-out" {
    before  = ["change", "upgrade", "remove"]
    roles   = ["worker"]
    command = ["/usr/local/sbin/balancer", "out", "--wait"]
    timeout = "2m"
  }
  hook "balancer-in" {
    after   = ["install", "change", "upgrade"]
    roles   = ["worker"]
    command = ["/usr/local/sbin/balancer", "in"]
  }

  etcd {
    accept_loss = ["north"] # two of three members: see two-places-three-centres

    # Each member takes snapshots by itself, and sends them to a host of another site.
    snapshots {
      schedule = "*-*-* 00/6:00:00" # UTC
      keep     = 8
      keep_for = "7d"
      copies   = 1
    }
  }

  # Certificates are issued anew by any apply once less than this is left. A higher number in the rotation block asks for a new authority or key.
  certificates {
    renew_before = "60d"
  }
  rotation {
    kubernetes_ca       = 1
    service_account_key = 1
  }
}
