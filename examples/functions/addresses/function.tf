locals {
  # bj1-w1 = "10.11.1.101", bj1-w2 = "10.11.1.102", bj1-w3 = "10.11.1.103"
  workers = { for i, address in provider::trivet::addresses("10.11.1.0/24", 101, 3) : "bj1-w${i + 1}" => address }
}

output "workers" {
  value = local.workers
}
