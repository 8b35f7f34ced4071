// Starts Trino, and ends it when whoever holds the other end of its standard input goes away.
public class TrinoServer
{
    public static void main(String[] arguments)
    {
        new io.trino.server.Server().start(arguments[0]);
        try { while (System.in.read() >= 0) { } } catch (java.io.IOException closed) { }
        Runtime.getRuntime().halt(0);
    }
}
