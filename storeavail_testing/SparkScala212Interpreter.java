package org.apache.zeppelin.spark;

import java.io.File;
import java.net.URLClassLoader;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.SQLContext;
import org.apache.spark.sql.SparkSession;
import org.apache.zeppelin.interpreter.InterpreterContext;
import org.apache.zeppelin.interpreter.InterpreterGroup;
import org.apache.zeppelin.interpreter.InterpreterResult;
import org.apache.zeppelin.interpreter.ZeppelinContext;
import org.apache.zeppelin.interpreter.thrift.InterpreterCompletion;

/** Stands in for Zeppelin's own class of this name, which is in no package registry: it opens Spark for `%spark.sql`, and has no Scala. */
public class SparkScala212Interpreter extends AbstractSparkScalaInterpreter {
  private final SparkConf conf;
  private final Properties properties;
  private SparkSession session;
  private ZeppelinContext context;

  public SparkScala212Interpreter(SparkConf conf, List<String> files, Properties properties, InterpreterGroup group, URLClassLoader loader, File folder) {
    this.conf = conf;
    this.properties = properties;
  }

  public void open() {
    session = SparkSession.builder().config(conf).enableHiveSupport().getOrCreate();
    SparkShims shims = new Spark3Shims(properties, session);
    int rows = Integer.parseInt(properties.getProperty("zeppelin.spark.maxResult", "1000"));
    context = new ZeppelinContext(null, rows) {
      public Map<String, String> getInterpreterClassMap() { return Map.of(); }
      public List<Class> getSupportedClasses() { return List.of(Dataset.class); }
      public String showData(Object data, int most) { return shims.showDataFrame(data, most, interpreterContext); }
    };
  }

  public void close() { session.stop(); }
  public SparkContext getSparkContext() { return session.sparkContext(); }
  public SQLContext getSqlContext() { return session.sqlContext(); }
  public Object getSparkSession() { return session; }
  public String getSparkUrl() { return ""; }
  public ZeppelinContext getZeppelinContext() { return context; }
  public int getProgress(String job, InterpreterContext context) { return 0; }
  public ClassLoader getScalaShellClassLoader() { return getClass().getClassLoader(); }
  public List<InterpreterCompletion> completion(String text, int cursor, InterpreterContext context) { return List.of(); }
  public InterpreterResult interpret(String code, InterpreterContext context) {
    return new InterpreterResult(InterpreterResult.Code.ERROR, "there is no Scala here");
  }
}
