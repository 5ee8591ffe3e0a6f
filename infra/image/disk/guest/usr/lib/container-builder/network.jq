# Translates nova's metadata into the commands with which the init sets up the network: one command per line, with quoted words.
#
# $cards: lines "eth0 fa:16:3e:…", one per network card. $meta and $network: the texts of meta_data.json and network_data.json
# (https://docs.openstack.org/nova/latest/user/metadata.html), empty when there is no such file.
def parsed: if test("\\S") then fromjson else {} end;
def bits: {"0": 0, "128": 1, "192": 2, "224": 3, "240": 4, "248": 5, "252": 6, "254": 7, "255": 8}[.];
# "255.255.0.0" → 16, "ffff:ffff::" → 32; a number stays unchanged.
def prefix:
  tostring
  | if test("^[0-9]+$") then tonumber
    elif contains(":") then [scan("[0-9a-fA-F]") | ascii_downcase | {"f": 4, "e": 3, "c": 2, "8": 1}[.] // 0] | add // 0
    else [split(".")[] | bits] | add end;
def command(arguments): arguments | map(tostring) | @sh;

($cards | [scan("(\\S+) (\\S+)") | {key: .[1], value: .[0]}] | from_entries) as $byMac
| ($meta | parsed) as $meta
| ($network | parsed) as $network
| [$network.links[]? | . + {card: $byMac[.ethernet_mac_address // "" | ascii_downcase]}] as $links
| [$network.networks[]? | . as $n | . + {card: ([$links[] | select(.id == $n.link) | .card] | first)}] as $networks
| command(["set_hostname", ($meta.hostname // $meta.name // "builder" | split(".")[0])]),
  ( $links[] | if .card == null then command(["log", "no card has the address \(.ethernet_mac_address) of link \(.id) (\(.type))"])
    else command(["up", .card, .mtu // empty]) end ),
  ( if $networks == [] then $byMac[] | command(["up", .]), command(["dhcp", .]) else empty end ),
  ( $networks[] | select(.card != null)
    | if .type == "ipv4_dhcp" then command(["dhcp", .card])
      elif .type == "ipv4" or .type == "ipv6" then
        (if .ip_address | contains("/") then .ip_address else "\(.ip_address)/\(.netmask | prefix)" end) as $address
        | command(["address", .card, $address])
      elif .type | test("^ipv6") then command(["log", "\(.card) gets \(.type) from router advertisements"])
      else command(["log", "network \(.id) has the type \(.type), which is not supported"]) end ),
  ( $networks[] | select(.card != null and (.type == "ipv4" or .type == "ipv6")) | .card as $card
    | (.routes[]? | command(["route", $card, "\(.network)/\(.netmask | prefix)", .gateway // empty])),
      (.gateway // empty | command(["route", $card, "default", .])) ),
  ( [$network.services[]?, $networks[].services[]? | select(.type == "dns") | .address] | unique_by(.)[] | command(["resolver", .]) )
