output "way" {
  value = provider::trivet::upgrade_path("1.35.4", "1.37.2") # ["1.36.3", "1.37.2"]
}
