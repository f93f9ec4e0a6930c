# What a root of its own for workloads needs to reach the cluster. Nothing in it is secret.
output "access" {
  value = trivet_cluster.main.access
}

output "etcd" {
  description = "what the members bear"
  value       = provider::trivet::quorum(length(local.control_planes))
}

output "nodes" {
  value = { for name, n in trivet_cluster.main.nodes : name => "${n.address}, Kubernetes ${n.kubernetes}" }
}
