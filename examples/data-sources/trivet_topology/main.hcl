variable "age_recipients" {
  type = list(string)
}

fleet "meridian" {
  ssh {
    user = "ops"
  }
}

region "beijing" {
  site "bj1" {
    room "101" {
      rack "a" {
        cidr = "10.11.1.0/24"
        hosts "bj1-cp" {
          count         = 3
          first_address = "10.11.1.11"
          roles         = ["etcd", "control-plane", "worker"]
        }
      }
    }
  }
}

cluster "main" {
  kubernetes     = "1.37.2"
  sites          = ["bj1"]
  age_recipients = var.age_recipients
  etcd {
    accept_loss = ["bj1", "beijing"]
  }
}
