output "racks" {
  # [{ cidr = "10.11.0.0/24", hosts = 48 }, { cidr = "10.11.1.0/24", hosts = 48 }, { cidr = "10.11.2.0/24", hosts = 4 }]
  value = provider::trivet::racks("10.11.0.0/16", 100)
}
