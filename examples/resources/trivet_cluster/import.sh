# NAME@ADDRESS: the cluster's name, and where SSH reaches one of its control planes.
terraform import trivet_cluster.main main@10.11.1.11
