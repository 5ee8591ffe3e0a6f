#!/usr/bin/python3
"""What a fresh OpenStack lacks: seed.py identity | resources | wait-for-compute HOST. Does nothing for what is there.

Users: admin/secret in project admin, demo/secret in project demo, svc/secret for the services.
Flavors t.nano, t.small, and t.huge which fits nowhere; network lab, 10.77.0.0/16; image stub, a megabyte of zeros.
"""
import json
import sys
import time
import urllib.error
import urllib.request

KEYSTONE, PLACEMENT, GLANCE, NEUTRON, NOVA = (
    f'http://127.0.0.1:{path}' for path in ('5000/v3', '8778', '9292', '9696', '8774/v2.1')
)
# The first heartbeat comes after 3 s (report_interval), on cores that others keep busy it may take minutes.
COMPUTE_LIMIT_S = 300


def call(method, url, token=None, body=None, raw=None):
    headers = {'Accept': 'application/json'}
    data = raw
    if body is not None:
        data, headers['Content-Type'] = json.dumps(body).encode(), 'application/json'
    if raw is not None:
        headers['Content-Type'] = 'application/octet-stream'
    if token:
        headers['X-Auth-Token'] = token
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        text = reply.read()
        return reply.headers, json.loads(text) if text else None


def login():
    user = {'name': 'admin', 'domain': {'id': 'default'}, 'password': 'secret'}
    identity = {'methods': ['password'], 'password': {'user': user}}
    scope = {'project': {'name': 'admin', 'domain': {'id': 'default'}}}
    headers, _ = call('POST', KEYSTONE + '/auth/tokens', body={'auth': {'identity': identity, 'scope': scope}})
    return headers['X-Subject-Token']


def ensure(token, collection, match, extra=None):
    _, found = call('GET', f'{KEYSTONE}/{collection}', token)
    for item in found[collection]:
        if all(item.get(key) == value for key, value in match.items()):
            return item['id']
    kind = collection.removesuffix('s')
    _, made = call('POST', f'{KEYSTONE}/{collection}', token, {kind: {**match, **(extra or {})}})
    return made[kind]['id']


def identity():
    token = login()
    services = (('placement', 'placement', PLACEMENT), ('image', 'glance', GLANCE), ('network', 'neutron', NEUTRON),
                ('compute', 'nova', NOVA))
    for kind, name, url in services:
        service = ensure(token, 'services', {'type': kind, 'name': name})
        for interface in ('public', 'internal', 'admin'):
            place = {'service_id': service, 'interface': interface, 'region_id': 'RegionOne'}
            ensure(token, 'endpoints', place, {'url': url})
    roles = {name: ensure(token, 'roles', {'name': name}) for name in ('service', 'member', 'admin')}
    projects = {name: ensure(token, 'projects', {'name': name, 'domain_id': 'default'}) for name in ('service', 'demo')}
    for user, project, given in (('svc', 'service', ('admin', 'service')), ('demo', 'demo', ('member',))):
        user_id = ensure(token, 'users', {'name': user, 'domain_id': 'default'}, {'password': 'secret'})
        for role in given:
            call('PUT', f'{KEYSTONE}/projects/{projects[project]}/users/{user_id}/roles/{roles[role]}', token)


def resources():
    token = login()
    have = {flavor['name'] for flavor in call('GET', NOVA + '/flavors', token)[1]['flavors']}
    flavors = (('1', 't.nano', 1, 128, 1), ('2', 't.small', 1, 512, 2), ('3', 't.medium', 2, 2048, 6), ('99', 't.huge', 2000, 128, 1))
    for flavor, name, vcpus, ram, disk in flavors:
        if name not in have:
            wanted = {'id': flavor, 'name': name, 'vcpus': vcpus, 'ram': ram, 'disk': disk}
            call('POST', NOVA + '/flavors', token, {'flavor': wanted})
    if not call('GET', NEUTRON + '/v2.0/networks?name=lab', token)[1]['networks']:
        wanted = {'name': 'lab', 'shared': True, 'provider:network_type': 'flat', 'provider:physical_network': 'lab'}
        network = call('POST', NEUTRON + '/v2.0/networks', token, {'network': wanted})[1]['network']['id']
        # Without DHCP the config drive carries the address; no DHCP agent runs here.
        wanted = {'network_id': network, 'name': 'lab4', 'ip_version': 4, 'cidr': '10.77.0.0/16', 'enable_dhcp': False,
                  'gateway_ip': '10.77.0.1', 'allocation_pools': [{'start': '10.77.1.1', 'end': '10.77.254.254'}]}
        call('POST', NEUTRON + '/v2.0/subnets', token, {'subnet': wanted})
    if not call('GET', GLANCE + '/v2/images?name=stub', token)[1]['images']:
        wanted = {'name': 'stub', 'disk_format': 'raw', 'container_format': 'bare', 'visibility': 'public'}
        image = call('POST', GLANCE + '/v2/images', token, wanted)[1]['id']
        call('PUT', f'{GLANCE}/v2/images/{image}/file', token, raw=bytes(2 ** 20))


def wait_for_compute(host):
    """Until there is a heartbeat that is newer than our start, and nova and placement know the host."""
    first, problem = None, 'no heartbeat'
    end = time.monotonic() + COMPUTE_LIMIT_S
    while time.monotonic() < end:
        try:
            token = login()
            services = call('GET', f'{NOVA}/os-services?binary=nova-compute&host={host}', token)[1]['services']
            beats = [service['updated_at'] for service in services if service['state'] == 'up']
            first = first or (beats and beats[0])
            # What is not yet mapped to a cell is not listed.
            known = (call('GET', NOVA + '/os-hypervisors', token)[1]['hypervisors']
                     and call('GET', PLACEMENT + '/resource_providers', token)[1]['resource_providers'])
            if beats and beats[0] != first and known:
                return
        except (urllib.error.URLError, OSError) as error:
            problem = error
        time.sleep(0.3)
    sys.exit(f'nova-compute on {host} did not come up: {problem}')


if __name__ == '__main__':
    {'identity': identity, 'resources': resources, 'wait-for-compute': wait_for_compute}[sys.argv[1]](*sys.argv[2:])
