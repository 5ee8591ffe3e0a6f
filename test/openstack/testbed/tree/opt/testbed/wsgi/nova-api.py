from nova.wsgi.osapi_compute import application
