ephemeral "trivet_kubeconfig" "main" {
  cluster = trivet_cluster.main.access
  ttl     = "1h"
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
