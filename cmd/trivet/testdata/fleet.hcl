# Three hosts on this machine's loopback, on a port of the script's choice.
variable "port" {
  type    = number
  default = 22
}

fleet "trivet-script-test" {
  ssh {
    user        = "ops"
    port        = var.port
    private_key = "key"
    known_hosts = "known_hosts"
    config_file = "none"
  }
}

region "north" {
  site "n1" {
    room "1" {
      rack "a" {
        cidr = "10.91.1.0/24"
        host "cp1" {
          address     = "10.91.1.11"
          ssh_address = "127.0.0.1"
          roles       = ["etcd", "control-plane"]
        }
        host "w1" {
          address     = "10.91.1.101"
          ssh_address = "127.0.0.2"
          roles       = ["worker"]
        }
        host "w2" {
          address     = "10.91.1.102"
          ssh_address = "127.0.0.3"
          roles       = ["worker"]
        }
      }
    }
  }
}

cluster "main" {
  kubernetes     = "1.37.2"
  sites          = ["n1"]
  pod_cidr       = "10.128.0.0/16"
  service_cidr   = "10.96.0.0/16"
  age_recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
}
