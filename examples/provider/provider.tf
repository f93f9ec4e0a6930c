terraform {
  required_providers {
    trivet = {
      source = "trivet-dev/trivet"
    }
  }
}

provider "trivet" {
  ssh = {
    user        = "ops"
    private_key = file("~/.ssh/fleet")
    known_hosts = file("known_hosts")
  }
  # What `trivet identity new` made. Plans, refreshes and destroys do without it.
  age_identity = file("~/.config/trivet/age.key")
}
