from keystone.wsgi.api import application
