data "trivet_host_facts" "new" {
  address = "10.11.1.12"
  roles   = ["worker"]
}

output "unfit" {
  value = [for f in data.trivet_host_facts.new.findings : "${f.message} ${f.remedy}"]
}
