data "trivet_cluster_status" "main" {
  cluster = trivet_cluster.main.access
}

# Every plan and every apply warns of what is not as it should be.
check "cluster" {
  assert {
    condition     = data.trivet_cluster_status.main.healthy
    error_message = join("\n", concat(["The cluster is not healthy:"], data.trivet_cluster_status.main.problems))
  }
}
