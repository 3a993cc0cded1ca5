import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.yarn.conf.YarnConfiguration;
import org.apache.hadoop.yarn.server.MiniYARNCluster;
import org.apache.hadoop.yarn.server.resourcemanager.rmcontainer.RMContainer;
import org.apache.hadoop.yarn.server.resourcemanager.scheduler.capacity.CapacityScheduler;
import org.apache.hadoop.yarn.server.resourcemanager.scheduler.event.ContainerPreemptEvent;
import org.apache.hadoop.yarn.server.resourcemanager.scheduler.event.SchedulerEventType;

/**
 * HDFS and YARN with two node managers in one JVM, apart from the tests' because its jars contain other versions of theirs. Argument: a folder,
 * which gets {@code conf/}, Hadoop's settings for clients. Prints {@code ready}. Does what lines on standard input say, and repeats each when it
 * is done: {@code namenode} starts the NameNode again, {@code preempt} takes a container from an application, not that of its master. The end of
 * the input ends it all.
 */
public final class MiniCluster {
    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]).toAbsolutePath();
        Configuration conf = new YarnConfiguration();
        conf.set("hadoop.tmp.dir", folder.resolve("tmp").toString());
        conf.set("dfs.namenode.http-address", "127.0.0.1:0");
        conf.set("yarn.resourcemanager.bind-host", "127.0.0.1");
        conf.set("yarn.nodemanager.bind-host", "127.0.0.1");
        conf.set("yarn.scheduler.minimum-allocation-mb", "128");
        conf.set("yarn.nodemanager.resource.memory-mb", "3072");
        conf.set("yarn.nodemanager.vmem-check-enabled", "false");
        conf.set("yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage", "99.5");
        conf.set("yarn.scheduler.capacity.root.queues", "default");
        conf.set("yarn.scheduler.capacity.root.default.capacity", "100");
        conf.set("yarn.scheduler.capacity.maximum-am-resource-percent", "1");
        MiniDFSCluster files =
                new MiniDFSCluster.Builder(conf, folder.resolve("dfs").toFile()).numDataNodes(1).build();
        files.waitActive();
        System.setProperty("test.build.data", folder.resolve("yarn").toString());
        try (MiniYARNCluster containers = new MiniYARNCluster("grft", 1, 2, 1, 1)) {
            containers.init(conf);
            containers.start();
            if (!containers.waitForNodeManagersToConnect(30_000)) {
                throw new IllegalStateException("the node managers do not connect");
            }
            Configuration clients = new Configuration(containers.getConfig());
            clients.set("fs.defaultFS", files.getURI().toString());
            clients.unset("net.topology.node.switch.mapping.impl"); // a class of the tests of Hadoop
            File sites = folder.resolve("conf").toFile();
            sites.mkdirs();
            for (String site : new String[] {"core-site.xml", "yarn-site.xml", "hdfs-site.xml"}) {
                try (OutputStream out = Files.newOutputStream(sites.toPath().resolve(site))) {
                    clients.writeXml(out);
                }
            }
            System.out.println("ready");
            BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                switch (line) {
                    case "namenode" -> files.restartNameNode(true);
                    case "preempt" -> preempt((CapacityScheduler) containers.getResourceManager().getResourceScheduler());
                    default -> throw new IllegalArgumentException(line);
                }
                System.out.println(line);
            }
        }
        files.shutdown(true);
        System.exit(0);
    }

    /** Does what YARN's monitor of queues does when another queue has a right to the room. */
    private static void preempt(CapacityScheduler scheduler) {
        for (var application : scheduler.getSchedulerApplications().values()) {
            var attempt = application.getCurrentAppAttempt();
            for (RMContainer container : attempt.getLiveContainers()) {
                if (!container.isAMContainer()) {
                    scheduler.handle(new ContainerPreemptEvent(
                            attempt.getApplicationAttemptId(), container, SchedulerEventType.MARK_CONTAINER_FOR_KILLABLE));
                    return;
                }
            }
        }
        throw new IllegalStateException("no container to take");
    }
}
