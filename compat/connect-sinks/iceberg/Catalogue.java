import java.net.InetSocketAddress;
import java.util.Map;
import org.apache.iceberg.jdbc.JdbcCatalog;
import org.apache.iceberg.rest.RESTCatalogAdapter;
import org.apache.iceberg.rest.RESTCatalogServlet;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

/** Iceberg's own REST catalogue, as its tests have it, over its catalogue in SQLite: `Catalogue PORT SQLITE_FILE WAREHOUSE S3_ENDPOINT USER PASSWORD`. */
public class Catalogue {
  public static void main(String[] args) throws Exception {
    JdbcCatalog catalog = new JdbcCatalog();
    catalog.initialize("compat", Map.of(
        "uri", "jdbc:sqlite:" + args[1],
        "warehouse", args[2],
        "io-impl", "org.apache.iceberg.aws.s3.S3FileIO",
        "s3.endpoint", args[3],
        "s3.path-style-access", "true",
        "s3.access-key-id", args[4],
        "s3.secret-access-key", args[5],
        "client.region", "us-east-1"));
    ServletContextHandler handler = new ServletContextHandler();
    handler.addServlet(new ServletHolder(new RESTCatalogServlet(new RESTCatalogAdapter(catalog))), "/*");
    Server server = new Server(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])));
    server.setHandler(handler);
    server.start();
    server.join();
  }
}
