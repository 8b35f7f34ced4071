import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;

import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.ObjectName;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.Set;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.StandardCopyOption.ATOMIC_MOVE;

/**
 * Runs servers of Trino in one process, each when it is asked for: what the first has made Java load
 * and compile, which takes most of a test run's first minute, is there for the others.
 *
 * <p>Takes Trino's version and a folder, where it writes the port on which it is asked (a POST with
 * the path of a server's folder, answered when the server has started). Ends when whoever holds the
 * other end of its standard input goes away.
 */
public class TrinoHost
{
    private static final InetAddress HERE = InetAddress.getLoopbackAddress();
    private static final MBeanServer MBEANS = ManagementFactory.getPlatformMBeanServer();
    private static final Set<ObjectName> MBEANS_OF_JAVA = MBEANS.queryNames(null, null);

    private final String version;

    private TrinoHost(String version)
    {
        this.version = version;
    }

    public static void main(String[] arguments)
            throws IOException
    {
        // One request after the other: settings of a server that starts are this process's.
        HttpServer requests = HttpServer.create(new InetSocketAddress(HERE, 0), 0);
        requests.createContext("/", new TrinoHost(arguments[0])::answer);
        requests.start();
        Path folder = Path.of(arguments[1]);
        Path partial = Files.writeString(folder.resolve("port.partial"), "" + requests.getAddress().getPort());
        Files.move(partial, folder.resolve("port"), ATOMIC_MOVE);
        try {
            while (System.in.read() >= 0) {
                // Nothing is ever sent.
            }
        }
        catch (IOException closed) {
            // It went away.
        }
        Runtime.getRuntime().halt(0);
    }

    private void answer(HttpExchange request)
            throws IOException
    {
        int status = 200;
        String text = "";
        try {
            Path server = Path.of(new String(request.getRequestBody().readAllBytes(), UTF_8));
            if (isTaken(port(server))) {
                status = 409;
            }
            else {
                start(server);
            }
        }
        catch (Exception failure) {
            status = 500;
            StringWriter trace = new StringWriter();
            failure.printStackTrace(new PrintWriter(trace));
            text = trace.toString();
        }
        byte[] body = text.getBytes(UTF_8);
        request.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
        request.getResponseBody().write(body);
        request.close();
    }

    /** Trino ends the process where it cannot start. */
    private void start(Path server)
            throws JMException
    {
        System.setProperty("config", server.resolve("config.properties").toString());
        System.setProperty("log.levels-file", server.resolve("log.properties").toString());
        System.setProperty("node.data-dir", server.resolve("data").toString());
        new TrinoServer().start(version);
        // Nobody looks at them, and the next server's have the same names.
        for (ObjectName name : MBEANS.queryNames(null, null)) {
            if (!MBEANS_OF_JAVA.contains(name) && !name.getDomain().startsWith("java")) {
                MBEANS.unregisterMBean(name);
            }
        }
    }

    private static int port(Path server)
            throws IOException
    {
        Properties properties = new Properties();
        try (InputStream file = Files.newInputStream(server.resolve("config.properties"))) {
            properties.load(file);
        }
        return Integer.parseInt(properties.getProperty("http-server.http.port"));
    }

    private static boolean isTaken(int port)
    {
        try {
            new ServerSocket(port, 1, HERE).close();
            return false;
        }
        catch (IOException taken) {
            return true;
        }
    }
}
