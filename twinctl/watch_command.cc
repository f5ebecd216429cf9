// watch: changes as they happen.
//
//   while (stream = WatchTwins(from the last resume token)) {
//     while (response = stream.Read()) Show(response);
//     if (!Resumable(stream.Finish())) return error;
//     wait (backoff);
//   }
#include <algorithm>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "runtime/backoff.h"
#include "runtime/config.h"
#include "runtime/status_proto.h"
#include "twinctl/command.h"
#include "twinctl/request_texts.h"
#include "twinctl/watch_view.h"
#include "twinctl/whole_number.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// A stream that ends so may be taken up again where it ended.
bool Resumable(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

// Shows what comes, in the form that was asked for. Called from the thread that reads.
class WatchOutput {
 public:
  virtual ~WatchOutput() = default;
  virtual void OnResponse(const pb::WatchTwinsResponse& response) = 0;
  // The stream broke and will be taken up again, or was.
  virtual void OnNotice(const std::string& notice) = 0;
  // Can still be written to.
  virtual bool good() = 0;
};

class LineOutput final : public WatchOutput {
 public:
  LineOutput(CommandContext& context, bool bookmarks) : context_(context), bookmarks_(bookmarks) {}

  void OnResponse(const pb::WatchTwinsResponse& response) override {
    const bool json = context_.output() != OutputFormat::kTable;
    for (const pb::TwinChange& change : response.changes()) {
      context_.out() << (json ? ChangeLines(response.revision(), change) : ChangeText(change));
    }
    if (bookmarks_ && response.changes().empty()) {
      if (json) {
        context_.out() << "{\"revision\":" << response.revision() << ",\"change\":\"bookmark\"}\n";
      } else {
        context_.out() << "bookmark  revision " << response.revision() << "\n";
      }
    }
    context_.out().flush();
  }

  void OnNotice(const std::string& notice) override { context_.console().err() << "twinctl watch: " << notice << "\n"; }

  bool good() override { return context_.out().good(); }

 private:
  CommandContext& context_;
  const bool bookmarks_;
};

// Draws at most ten times a second, whatever comes, on a thread of its own.
class LiveOutput final : public WatchOutput {
 public:
  explicit LiveOutput(CommandContext& context) : context_(context), thread_([this] { DrawLoop(); }) {}

  ~LiveOutput() override {
    done_.Notify();
    thread_.join();
    Draw();
  }

  void OnResponse(const pb::WatchTwinsResponse& response) override {
    absl::MutexLock lock(&mutex_);
    view_.Apply(response);
    changed_ = true;
  }

  void OnNotice(const std::string& notice) override {
    absl::MutexLock lock(&mutex_);
    view_.SetNotice(Printable(notice));
    changed_ = true;
  }

  bool good() override { return true; }

 private:
  void DrawLoop() {
    while (!done_.WaitForNotificationWithTimeout(absl::Milliseconds(100))) Draw();
  }

  void Draw() {
    std::string frame;
    {
      absl::MutexLock lock(&mutex_);
      if (!changed_) return;
      changed_ = false;
      frame = view_.Frame(context_.console(), context_.console().rows(), context_.console().columns());
    }
    context_.out() << frame << std::flush;
  }

  CommandContext& context_;
  absl::Mutex mutex_;
  WatchView view_ ABSL_GUARDED_BY(mutex_);
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Notification done_;
  std::thread thread_;
};

class WatchCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("watch", "Follow changes: a live table on a terminal, else a line a change");
    command->add_option("TWIN", twins_, "Ids of twins (default: every twin that you may read)");
    command->add_option("--prefix", prefixes_, "Twins whose id starts so");
    command->add_option("--sensor", sensors_, "Only samples of these sensors");
    command->add_flag("--latest", latest_, "When behind, get the last value of each sensor instead of every change");
    command->add_option("--from-revision", start_revision_, "First revision to report (default: a snapshot, then news)")
        ->type_name("REVISION")
        ->check(WholeNumberFrom(0));
    command->add_flag("--bookmarks", bookmarks_, "Print revisions with nothing to report, too");
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    std::unique_ptr<WatchOutput> output;
    if (context.output() == OutputFormat::kTable && context.console().terminal()) {
      output = std::make_unique<LiveOutput>(context);
    } else {
      output = std::make_unique<LineOutput>(context, bookmarks_);
    }
    return Follow(**connection, *output);
  }

 private:
  absl::StatusOr<ExitCode> Follow(Connection& connection, WatchOutput& output) {
    Backoff backoff(absl::Milliseconds(200), absl::Seconds(5), RandomUnit());
    pb::WatchTwinsRequest request = FirstRequest();
    if (absl::Status texts = CheckTexts(request); !texts.ok()) return texts;
    bool had_response = false;
    bool broken = false;
    while (true) {
      grpc::ClientContext context;
      auto stream = connection.stub().WatchTwins(&context, request);
      pb::WatchTwinsResponse response;
      while (stream->Read(&response)) {
        if (broken) output.OnNotice(absl::StrCat("connected again, going on after revision ", last_revision_));
        broken = false;
        had_response = true;
        backoff.Reset();
        output.OnResponse(response);
        Remember(response, &request);
        // Nobody reads any more; where SIGPIPE is ignored, nothing else would end this.
        if (!output.good()) {
          context.TryCancel();
          return absl::UnavailableError("cannot write to standard output");
        }
      }
      const absl::Status status = connection.Explain(stream->Finish());
      // A first attempt that fails is more likely a wrong address than an outage.
      if (!Resumable(status) || !had_response) return WithAdvice(status);
      broken = true;
      const absl::Duration wait = backoff.Next();
      output.OnNotice(absl::StrCat("stream ended (", status.message(), "), trying again in ",
                                   absl::FormatDuration(absl::Ceil(wait, absl::Milliseconds(10)))));
      absl::SleepFor(wait);
      while (!connection.WaitUntilConnected(absl::Seconds(10))) output.OnNotice("still no connection, trying on");
    }
  }

  pb::WatchTwinsRequest FirstRequest() const {
    pb::WatchTwinsRequest request;
    for (const std::string& twin : twins_) request.add_twin_ids(twin);
    for (const std::string& prefix : prefixes_) request.add_prefixes(prefix);
    for (const std::string& sensor : sensors_) request.add_sensors(sensor);
    request.set_mode(latest_ ? pb::WATCH_MODE_LATEST : pb::WATCH_MODE_EVERY_CHANGE);
    request.set_start_revision(start_revision_);
    request.set_view(pb::TWIN_VIEW_CANONICAL);
    *request.mutable_bookmark_interval() = ToProtoDuration(absl::Seconds(5));
    return request;
  }

  // A snapshot that breaks off begins anew: only after its last part is there a revision to go on from.
  void Remember(const pb::WatchTwinsResponse& response, pb::WatchTwinsRequest* request) {
    last_revision_ = response.revision();
    if (response.snapshot_part() || response.resume_token().empty()) return;
    request->clear_start_revision();
    request->set_resume_token(response.resume_token());
  }

  static absl::Status WithAdvice(const absl::Status& status) {
    if (status.ok()) return absl::UnavailableError("the gateway ended the watch before it began; try again");
    if (ReasonOf(status) != "REVISION_COMPACTED") return status;
    const ErrorMetadata metadata = MetadataOf(status);
    const auto oldest = metadata.find("oldest_revision");
    return absl::OutOfRangeError(absl::StrCat(status.message(), "; begin at ",
                                              oldest == metadata.end() ? "a newer revision" : oldest->second,
                                              " with --from-revision, or with a snapshot by leaving it out"));
  }

  std::vector<std::string> twins_;
  std::vector<std::string> prefixes_;
  std::vector<std::string> sensors_;
  bool latest_ = false;
  bool bookmarks_ = false;
  uint64_t start_revision_ = 0;
  uint64_t last_revision_ = 0;
};

}  // namespace

void AddWatchCommand(CommandList* commands) { commands->push_back(std::make_unique<WatchCommand>()); }

}  // namespace mvmd
