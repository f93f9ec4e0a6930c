# Machines that come and go, by a stable name: here those of another module.
resource "trivet_worker" "spot" {
  for_each = module.spot.machines

  cluster      = trivet_cluster.main.access
  lock         = trivet_cluster.main.lock
  name         = each.key
  address      = each.value.ipv4
  ssh_host_key = each.value.host_key
  site         = "bj1"

  labels = { pool = "spot" }
  taints = [{ key = "spot", effect = "NoSchedule" }]

  # A spot machine may be gone before anybody could drain it.
  unreachable = "forget"
}
