data "trivet_topology" "main" {
  text      = file("main.hcl")
  variables = { age_recipients = jsonencode(["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]) }
}

# Whose loss stops writes.
output "fatal" {
  value = [for l in data.trivet_topology.main.losses : l.lost if !l.quorum]
}
