# Two places, three centres: one cluster over two sites in Beijing and one in Shanghai, the same as ../../topologies/two-places-three-centres.
#
#     beijing   bj1  production   bj1-cp1 (etcd, control plane)   bj1-w1 (worker)
#               bj2  local DR     bj2-cp1 (etcd, control plane)
#     shanghai  sh1  remote DR    sh1-cp1 (etcd, control plane)   sh1-w1 (worker)
#
# Change what is marked CHANGE. The guide "Three centres" goes through it.

terraform {
  required_providers {
    trivet = {
      source = "trivet-dev/trivet"
    }
  }
}

provider "trivet" {
  ssh = {
    user        = var.ssh_user
    private_key = file(var.ssh_key_file)
    known_hosts = file(var.known_hosts_file)
  }
  # The age identity comes from the file that TRIVET_AGE_IDENTITY names.
}

locals {
  # One rack in each site so far: one access switch, one subnet, at most 48 hosts.
  sites = { # CHANGE
    bj1 = { region = "beijing", purpose = "production", room = "101", cidr = "10.11.1.0/24" }
    bj2 = { region = "beijing", purpose = "local-dr", room = "201", cidr = "10.12.1.0/24" }
    sh1 = { region = "shanghai", purpose = "remote-dr", room = "301", cidr = "10.21.1.0/24" }
  }

  # A member of etcd and a control plane in each: any one site may be lost.
  control_planes = { for name, s in local.sites : "${name}-cp1" => {
    site = name, room = s.room, address = cidrhost(s.cidr, 11), roles = ["etcd", "control-plane"]
  } }

  workers = merge([for name, n in var.workers : { for i, address in provider::trivet::addresses(local.sites[name].cidr, 101, n) : "${name}-w${i + 1}" => {
    site = name, room = local.sites[name].room, address = address, roles = ["worker"], product_line = "search"
  } }]...)
}

resource "trivet_cluster" "main" {
  name                = "main"
  kubernetes          = var.kubernetes
  age_recipients      = var.age_recipients
  deletion_protection = var.deletion_protection

  sites = { for name, s in local.sites : name => { region = s.region, purpose = s.purpose } }
  racks = { for name, s in local.sites : "${name}/${s.room}/a" => { cidr = s.cidr } }
  hosts = merge(local.control_planes, local.workers)

  etcd = {
    # Two of three members stand in Beijing: the loss of the whole region stops writes until the cluster is recovered from Shanghai. With two regions there is no better placement.
    accept_loss = ["beijing"]
    snapshots   = { schedule = "hourly", copies = 2 }
  }
  upgrade = {
    max_unavailable = "10%"
    per             = "site"
  }
}
