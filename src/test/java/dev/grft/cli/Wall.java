package dev.grft.cli;

import java.security.Permission;

/**
 * Stands for a firewall between some executors and a port of the driver: {@code -Djava.security.manager} of executors. Connections to the port {@code wall.port}
 * are refused in those whose number {@code wall.executor} is {@code wall.from} or more.
 */
@SuppressWarnings("removal") // nothing else refuses connections of one JVM alone
public final class Wall extends SecurityManager {
    private static final int PORT = Integer.getInteger("wall.port");
    private static final boolean STANDS = Integer.getInteger("wall.executor") >= Integer.getInteger("wall.from");

    @Override
    public void checkConnect(String host, int port) {
        if (STANDS && port == PORT) {
            throw new SecurityException("the wall lets nothing pass to port " + port);
        }
    }

    @Override
    public void checkPermission(Permission permission) {}

    @Override
    public void checkPermission(Permission permission, Object context) {}
}
