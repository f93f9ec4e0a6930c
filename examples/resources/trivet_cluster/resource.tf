variable "age_recipients" {
  type        = list(string)
  description = "age public keys; each of their identities alone opens the cluster's CA keys"
}

resource "trivet_cluster" "main" {
  name           = "main"
  kubernetes     = "1.37.2"
  age_recipients = var.age_recipients

  sites = {
    bj1 = { region = "beijing" }
  }
  hosts = {
    bj1-cp1 = { address = "10.11.1.11", roles = ["etcd", "control-plane"] }
    bj1-w1  = { address = "10.11.1.101", roles = ["worker"], product_line = "search" }
    bj1-w2  = { address = "10.11.1.102", roles = ["worker"], labels = { disk = "nvme" } }
  }

  # One worker at a time, with ten minutes for its pods to leave.
  upgrade = {
    max_unavailable = "1"
    drain_timeout   = "10m"
  }
  components = [
    { name = "kubelet", settings = { maxPods = 150 } },
  ]
}
