# Ten hosts in one rack. There is no cluster: the benchmark puts plain files and a unit on them.
fleet "ten" {
  ssh {
    user        = "ops"
    private_key = "~/.ssh/fleet"
    known_hosts = "known_hosts"
  }
}

region "bench" {
  site "ten1" {
    room "1" {
      rack "a" {
        cidr = "10.31.1.0/24"
        hosts "ten-" {
          count         = 10
          first_address = "10.31.1.11"
          roles         = ["worker"]
        }
      }
    }
  }
}
