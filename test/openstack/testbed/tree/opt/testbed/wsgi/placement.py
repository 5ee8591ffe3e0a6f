from placement.wsgi.api import application
