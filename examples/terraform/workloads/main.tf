# Workloads in a root of their own, beside ../first-cluster: a plan of theirs cannot touch the cluster, and the cluster can be changed or repaired while they cannot be reached.

terraform {
  required_providers {
    trivet = {
      source = "trivet-dev/trivet"
    }
    kubernetes = {
      source = "hashicorp/kubernetes"
    }
  }
}

variable "ssh_key_file" {
  type        = string
  default     = "~/.ssh/fleet" # CHANGE
  description = "the private key that the control planes let in"
}

variable "known_hosts_file" {
  type        = string
  default     = "../first-cluster/known_hosts"
  description = "the control planes' public keys"
}

# Access needs SSH to a control plane, and no age identity.
provider "trivet" {
  ssh = {
    user        = "ops" # CHANGE
    private_key = file(var.ssh_key_file)
    known_hosts = file(var.known_hosts_file)
  }
}

data "terraform_remote_state" "cluster" {
  backend = "local" # CHANGE: where the cluster's root keeps its state
  config = {
    path = "../first-cluster/terraform.tfstate"
  }
}

ephemeral "trivet_kubeconfig" "main" {
  cluster = data.terraform_remote_state.cluster.outputs.access
}

provider "kubernetes" {
  host                   = ephemeral.trivet_kubeconfig.main.host
  tls_server_name        = ephemeral.trivet_kubeconfig.main.tls_server_name
  cluster_ca_certificate = ephemeral.trivet_kubeconfig.main.cluster_ca_certificate
  client_certificate     = ephemeral.trivet_kubeconfig.main.client_certificate
  client_key             = ephemeral.trivet_kubeconfig.main.client_key
}

resource "kubernetes_namespace_v1" "shop" {
  metadata {
    name = "shop"
  }
}
