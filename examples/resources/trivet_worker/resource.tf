variable "spots" {
  type        = map(string)
  description = "addresses of machines that come and go, by their names: an output, say, of the module that makes them"
}

resource "trivet_worker" "spot" {
  for_each = var.spots

  cluster = trivet_cluster.main.access
  lock    = trivet_cluster.main.lock
  name    = each.key
  address = each.value

  labels = { pool = "spot" }
  taints = [{ key = "spot", effect = "NoSchedule" }]

  # A spot machine may be gone before anybody could drain it.
  unreachable = "forget"
}
