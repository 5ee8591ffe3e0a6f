from neutron.wsgi.api import application
