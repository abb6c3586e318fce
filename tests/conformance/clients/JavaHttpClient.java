import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Java's HttpClient as it is: it offers HTTP/2 by an Upgrade header. Driven as by driver.py. */
public class JavaHttpClient {
  static final Pattern TARGET =
      Pattern.compile("\"url\": \"(.*?)\", \"key\": \"(.*?)\", \"model\": \"(.*?)\"");
  static final Pattern CONTENT = Pattern.compile("\"content\": ?\"(.*?)\"");

  public static void main(String[] arguments) throws Exception {
    var targets = TARGET.matcher(new String(System.in.readAllBytes()));
    while (targets.find()) {
      long started = System.nanoTime();
      String outcome;
      try {
        String url = targets.group(1), key = targets.group(2), model = targets.group(3);
        String text =
            arguments[0].equals("stream") ? stream(url, key, model) : chat(url, key, model);
        outcome = "\"result\": \"" + text + "\"";
      } catch (IllegalStateException error) {
        outcome = "\"error\": \"" + error.getMessage().replace("\"", "'").replace("\n", " ") + "\"";
      }
      double seconds = (System.nanoTime() - started) / 1e9;
      System.out.println("{" + outcome + ", \"seconds\": " + seconds + "}");
    }
  }

  static String chat(String url, String key, String model) throws Exception {
    return complete(url, key, model, false);
  }

  static String stream(String url, String key, String model) throws Exception {
    return complete(url, key, model, true);
  }

  static String complete(String url, String key, String model, boolean streams)
      throws Exception {
    String body =
        "{\"model\": \"" + model + "\", \"stream\": " + streams
            + ", \"messages\": [{\"role\": \"user\", \"content\": \"Is anybody there?\"}]}";
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(url + "/chat/completions"))
            .header("Authorization", "Bearer " + key)
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build();
    var response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    if (response.statusCode() != 200) throw new IllegalStateException(response.body());
    return CONTENT.matcher(response.body()).results()
        .map(found -> found.group(1))
        .collect(Collectors.joining());
  }
}
