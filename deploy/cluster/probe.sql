-- By whom HAProxy asks a node how it is: no password, and no right to anything (haproxy.cfg).
CREATE USER IF NOT EXISTS 'probe'@'%';
