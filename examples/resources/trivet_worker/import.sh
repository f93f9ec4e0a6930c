# CLUSTER@ADDRESS/WORKER: the cluster's name, where SSH reaches one of its control planes, and the worker's name.
terraform import 'trivet_worker.spot["spot-1"]' main@10.11.1.11/spot-1
